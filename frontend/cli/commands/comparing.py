"""What differs: between states of a policy, and between what two releases send and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from frontend.cli import output, telling
from frontend.cli.failures import DONE, NEGATIVE, InputFailed
from frontend.cli.main import Asked, Command
from frontend.cli.naming import END, RELEASE, address


@click.command("diff", cls=Command)
@click.argument("release", type=RELEASE, required=False)
@click.option("--change", type=int, help="Of a change request instead of a release.")
@click.option("--from", "before", default="", help="base, reviewed, or a number.")
@click.option("--to", "after", default="", help="now, or a number.")
@click.pass_obj
def diff_command(
    asked: Asked, release: tuple[str, str] | None, change: int | None, before: str, after: str
) -> int:
    """What differs between two revisions of RELEASE, or two states of a change request.

    Exit status 1 where something does.
    """
    if (release is None) == (change is None):
        raise click.UsageError("Name a RELEASE, or a change request with --change.")
    if release is not None:
        if not before or not after:
            raise click.UsageError("Name two revisions with --from and --to.")
        ends: dict[str, Any] = {"from": before.lstrip("r"), "to": after.lstrip("r")}
        found = asked.client.all(f"releases/{address(release)}/revisions/differences/", **ends)
    else:
        ends = {"from": before, "to": after}
        found = asked.client.all(f"changes/{change}/differences/", **ends)
    if asked.json:
        output.as_json(found)
    else:
        telling.differences(found)
    return NEGATIVE if found else DONE


@click.command("compare", cls=Command)
@click.argument("source", type=END)
@click.argument("destination", type=END)
@click.option("--machine-type", "-M", default="", help="The newest of both, where it is left out.")
@click.option("--device", multiple=True, help="Only this device type; may be repeated.")
@click.option(
    "--stream", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its devices."
)
@click.pass_obj
def compare_command(
    asked: Asked,
    source: str,
    destination: str,
    machine_type: str,
    device: tuple[str, ...],
    stream: Path | None,
) -> int:
    """Compare what SOURCE sends with what DESTINATION reads: 'rhel 9.2', or change-7 for a draft.

    Exit status 1 where something would be refused or corrupted.
    """
    pair = {"source": source, "destination": destination, "machine_type": machine_type}
    found = _compared(asked, pair, list(device), stream)
    if asked.json:
        output.as_json(found)
    else:
        rows = [
            (item["grade"], item["device"], _place(item), item["message"])
            for item in found["findings"]
        ]
        output.table(("grade", "device", "place", "what"), rows, "Nothing differs.")
    return NEGATIVE if any(item["grade"] != "harmless" for item in found["findings"]) else DONE


def _compared(asked: Asked, pair: dict[str, str], devices: list[str], stream: Path | None) -> Any:
    if stream is None:
        return asked.client.get("compare/", **pair, device=devices)
    if devices:
        raise click.UsageError("Either --device or --stream.")
    try:
        content = stream.read_bytes()
    except OSError as error:
        raise InputFailed(f"{stream}: {error.strerror}") from error
    files = {"stream": (stream.name, content)}
    return asked.client.ask("compare/", data=pair, files=files)


def _place(item: dict[str, Any]) -> str:
    parts = (item["section"], item["subsection"], item["field"])
    return " / ".join(part for part in parts if part)
