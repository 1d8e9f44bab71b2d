"""Bundles: listed, fetched and checked, signed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from frontend.cli import output
from frontend.cli.failures import DONE, NEGATIVE, SERVER, InputFailed, ServerFailed
from frontend.cli.main import PROGRAM, Asked, Group
from frontend.cli.naming import RELEASE, address
from policy.packing import index as indexes
from policy.packing import signatures, verifying

_BUNDLE = re.compile(r"lockstep-[A-Za-z0-9_.+,-]+\.tar\.gz")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("bundle", cls=Group)
def bundle_command() -> None:
    """Bundles of property sets: listed, fetched, verified, signed, revoked."""


@bundle_command.command("list")
@click.option("--tree", default="", help="Only this tree's.")
@click.option("--release", "version", default="", help="Only this version's.")
@click.pass_obj
def list_bundles(asked: Asked, tree: str, version: str) -> None:
    """List the bundles, the newest first."""
    found = asked.client.all("bundles/", tree=tree, version=version)
    if asked.json:
        output.as_json(found)
        return
    rows = [
        (
            item["filename"],
            f"{item['tree']} {item['version']}",
            f"r{item['revision']}",
            item["size"],
        )
        for item in found
    ]
    output.table(("file", "release", "revision", "bytes"), rows, "No bundles.")


@bundle_command.command("show")
@click.argument("release", type=RELEASE)
@click.option("--revision", "-r", type=int, help="Else the newest that is not revoked.")
@click.pass_obj
def show(asked: Asked, release: tuple[str, str], revision: int | None) -> int:
    """Tell about a bundle; exit status 1 where it is revoked."""
    found = _bundle(asked, release, revision)
    if asked.json:
        output.as_json(found)
    else:
        revocation = found["revocation"] or {}
        output.facts(
            [
                ("file", found["filename"]),
                ("SHA-256", found["sha256"]),
                ("revision digest", found["revision_digest"]),
                ("signed by", ", ".join(item["fingerprint"] for item in found["signatures"])),
                ("revoked", revocation.get("reason")),
            ]
        )
        columns = ("file", "bytes", "SHA-256")
        output.table(columns, [(f["path"], f["size"], f["sha256"]) for f in found["files"]])
    return NEGATIVE if found["revocation"] else DONE


def _bundle(asked: Asked, release: tuple[str, str], revision: int | None) -> dict[str, Any]:
    place = "latest" if revision is None else f"r{revision}"
    found: dict[str, Any] = asked.client.get(f"bundles/{address(release)}/{place}/")
    return found


@bundle_command.command("download")
@click.argument("release", type=RELEASE)
@click.option("--revision", "-r", type=int, help="Else the newest that is not revoked.")
@click.option("--output", "-o", "folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--keys", type=_FILE, help="Public keys: the signature has to be by one of them.")
@click.option("--serial", type=int, default=0, help="The newest index that you have seen.")
@click.pass_obj
def download(
    asked: Asked,
    release: tuple[str, str],
    revision: int | None,
    folder: Path | None,
    keys: Path | None,
    serial: int,
) -> int:
    """Download a bundle with its signature and the index, and verify all of it.

    What is not whole, not signed by KEYS, or revoked is not left behind; exit status 1.
    """
    fetched: list[Path] = []
    status = SERVER
    try:
        status = verifying.main(_fetched(asked, release, revision, folder, keys, serial, fetched))
    finally:
        # Also where the server stops in the middle: nothing stays that was not looked at.
        if status != DONE:
            for path in fetched:
                path.unlink(missing_ok=True)
    return status


def _fetched(
    asked: Asked,
    release: tuple[str, str],
    revision: int | None,
    folder: Path | None,
    keys: Path | None,
    serial: int,
    fetched: list[Path],
) -> list[str]:
    """What to verify, in the verifier's arguments; each file is told to ``fetched`` as it comes."""
    found = _bundle(asked, release, revision)
    target = _folder(folder) / _file_name(found["filename"])
    place = f"bundles/{address(release)}/r{found['revision']}/download"
    fetched.append(target)
    with output.bar(target.name) as told:
        asked.client.download(place, target, lambda count: told(count, found["size"], ""))
    arguments = [str(target), *["--json"] * asked.json]
    if keys is not None:
        index = f"{target}.index.json"
        wanted = {
            f"{target}.asc": f"{place}.asc",
            index: "bundles/index.json",
            f"{index}.asc": "bundles/index.json.asc",
        }
        for name, source in wanted.items():
            fetched.append(Path(name))
            Path(name).write_bytes(_signed(asked, source, target.name))
        arguments += ["--keys", str(keys), "--index", index]
        arguments += ["--serial", str(serial)]
    return arguments


def _signed(asked: Asked, source: str, bundle: str) -> bytes:
    """A signature, or what is signed; says so where there is none."""
    try:
        return asked.client.file(source)
    except InputFailed as error:
        if (error.problem or {}).get("status") != 404:
            raise
        told = f"{bundle} cannot be checked: the server has no {Path(source).name} of it."
        if source.endswith("/download.asc"):
            told = f"{bundle} is not signed."
        raise InputFailed(f"{told} Where nothing is signed, leave out --keys.") from error


def _file_name(told: str) -> str:
    """A bundle's file name; a server that is not what it seems could name any file of yours."""
    if not _BUNDLE.fullmatch(told):
        raise ServerFailed(f"The server calls the bundle {told!r:.80}, which no bundle is called.")
    return told


def _folder(folder: Path | None) -> Path:
    chosen = folder or Path()
    try:
        chosen.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputFailed(f"{chosen}: {error.strerror}") from error
    return chosen


@bundle_command.command(
    "verify",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def verify(asked: Asked, arguments: tuple[str, ...]) -> int:
    """Is a bundle file whole and genuine? Works without a server."""
    given = [*arguments, "--json"] if asked.json else list(arguments)
    try:
        return verifying.main(given, f"{PROGRAM} bundle verify")
    except SystemExit as error:  # argparse ends that way, with help or a usage error
        return error.code if isinstance(error.code, int) else 0


@bundle_command.command("sign")
@click.argument("file", type=_FILE)
@click.option("--key", required=True, metavar="FINGERPRINT", help="The key that gpg has.")
@click.option("--upload", type=(RELEASE, int), metavar="RELEASE REVISION", help="Hand it in.")
@click.pass_obj
def sign(asked: Asked, file: Path, key: str, upload: tuple[tuple[str, str], int] | None) -> None:
    """Write a detached signature beside a bundle, by the key that your gpg holds."""
    try:
        armored = _signature(file.read_bytes(), key)
        target = Path(f"{file}.asc")
        target.write_bytes(armored)
    except OSError as error:
        raise InputFailed(f"{error.filename}: {error.strerror}") from error
    if upload is not None:
        release, revision = upload
        given = {"signature": armored.decode()}
        asked.client.post(f"bundles/{address(release)}/r{revision}/sign/", given)
    if asked.json:
        output.line(json.dumps({"signature": str(target), "uploaded": upload is not None}))
    else:
        output.line(f"{target}{': handed in' if upload is not None else ''}")


@bundle_command.command("sign-index")
@click.option("--key", required=True, metavar="FINGERPRINT", help="The key that gpg has.")
@click.pass_obj
def sign_index(asked: Asked, key: str) -> None:
    """Sign the index of all bundles, where one waits for it, and hand the signature in."""
    state = asked.client.get("bundles/index/")
    if waiting := state["waiting"]:
        index = f"bundles/index-{waiting['serial']}"
        content = _index(asked.client.file(f"{index}.json"), waiting["serial"])
        armored = _signature(content, key)
        state = asked.client.post(f"{index}/sign/", {"signature": armored.decode()})
    if asked.json:
        output.as_json(state)
    elif waiting:
        output.line(
            f"Index {waiting['serial']} is signed, and holds until {waiting['expires_at']}."
        )
    else:
        output.line("No index waits to be signed.")


def _index(content: bytes, serial: int) -> bytes:
    """The index of that serial and nothing else: a signature holds for whatever was signed."""
    try:
        found = indexes.read(content)
    except indexes.IndexFileError as error:
        raise ServerFailed(f"What the server wants to have signed: {error}.") from error
    if found.serial != serial:
        raise ServerFailed(f"The server sends index {found.serial} for index {serial}.")
    return content


def _signature(content: bytes, key: str) -> bytes:
    try:
        return signatures.sign(content, key)
    except (signatures.SignatureError, signatures.MissingToolError) as error:
        raise InputFailed(str(error)) from error


@bundle_command.command("revoke")
@click.argument("release", type=RELEASE)
@click.argument("revision", type=int)
@click.option("--reason", required=True, help="Whoever fetches the bundle reads it.")
@click.pass_obj
def revoke(asked: Asked, release: tuple[str, str], revision: int, reason: str) -> None:
    """Take a bundle out of use, for good."""
    place = f"bundles/{address(release)}/r{revision}/revoke/"
    found = asked.client.post(place, {"reason": reason})
    if asked.json:
        output.as_json(found)
    else:
        output.line(f"{found['filename']} is revoked.")
