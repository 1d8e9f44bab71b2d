"""A release's own files brought to the server; or a binary asked for them first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from frontend.cli import output
from frontend.cli.failures import DONE, NEGATIVE, InputFailed
from frontend.cli.main import Asked, Command
from frontend.cli.naming import RELEASE, label
from machines.emulator.catalogue import CatalogueError

_PATHS = click.Path(exists=True, path_type=Path)
_BASE = click.option("--base", type=RELEASE, help="The release that a downstream one stands on.")
_WAIT = click.option(
    "--wait/--no-wait", default=True, help="Follow the import until it ends (the default)."
)


@click.command("import", cls=Command)
@click.argument("release", type=RELEASE)
@click.argument("paths", type=_PATHS, nargs=-1, required=True)
@_BASE
@_WAIT
@click.pass_obj
def import_command(
    asked: Asked,
    release: tuple[str, str],
    paths: tuple[Path, ...],
    base: tuple[str, str] | None,
    wait: bool,
) -> int:
    """Import RELEASE from files, or from folders of them.

    Of a folder what is a catalogue's (vmstate, machines, types, properties, version, compat as
    .json or .json.xz) or C source is taken, everything else is left alone.
    """
    from machines.parsing import role_of

    found: dict[str, bytes] = {}
    for path in paths:
        if path.is_dir():
            listed = [item for item in sorted(path.iterdir()) if role_of(item.name)]
            if not listed:
                raise InputFailed(f"{path}: holds no file of a catalogue")
        else:
            listed = [path]
        for item in listed:
            if item.name in found:
                raise InputFailed(f"{item}: there are two files of that name")
            found[item.name] = _content(item)
    return _upload(asked, release, found, base, wait)


@click.command("probe", cls=Command)
@click.argument("release", type=RELEASE)
@click.argument("binary", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--compat", type=_PATHS, multiple=True, help="C sources or compat.json with arrays.")
@_BASE
@_WAIT
@click.pass_obj
def probe_command(
    asked: Asked,
    release: tuple[str, str],
    binary: Path,
    compat: tuple[Path, ...],
    base: tuple[str, str] | None,
    wait: bool,
) -> int:
    """Import RELEASE from what the QEMU BINARY tells of itself.

    It is started here, without a guest, and asked over QMP: only name one that you would run.
    """
    from machines.probe import answers_of

    try:
        with output.bar("Asking the binary") as told:
            answers = answers_of(binary, told)
    except CatalogueError as error:
        raise InputFailed(str(error)) from error
    sources = {path.name: _content(path) for path in compat}
    return _upload(asked, release, {**sources, **answers}, base, wait)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputFailed(f"{path}: {error.strerror}") from error


def _upload(
    asked: Asked,
    release: tuple[str, str],
    found: dict[str, bytes],
    base: tuple[str, str] | None,
    wait: bool,
) -> int:
    given = {"tree": release[0], "version": release[1]}
    if base is not None:
        given["base"] = label(base)
    files = [("uploads", (name, content)) for name, content in found.items()]
    job = asked.client.post("imports/", data=given, files=files)
    if wait:
        with output.bar("Importing") as told:
            job = asked.client.wait(job, told)
    _tell(asked, label(release), job)
    return DONE if job["status"] in ("done", "queued", "running") else NEGATIVE


def _tell(asked: Asked, release: str, job: dict[str, Any]) -> None:
    if asked.json:
        output.as_json(job)
    elif job["error"]:
        output.line(f"{release}: {job['error']}")
    else:
        output.line(f"{release}: {job['status']} (job {job['id']})")
