"""What the rules say: of a change request, or of a release with a patch's compat arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from frontend.cli import output, telling
from frontend.cli.client import whole
from frontend.cli.failures import DONE, NEGATIVE, InputFailed
from frontend.cli.main import Asked, Command
from frontend.cli.naming import RELEASE, address, label

SEVERITIES = ("error", "warning", "note")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("findings", cls=Command)
@click.argument("release", type=RELEASE, required=False)
@click.argument("sources", type=_FILE, nargs=-1)
@click.option("--change", type=int, help="Of this change request's draft.")
@click.option("--all", "everything", is_flag=True, help="Notes and waived ones too.")
@click.option("--severity", type=click.Choice(SEVERITIES), multiple=True, help="Only these.")
@click.option("--code", multiple=True, help="Only of this code, such as missing-entry.")
@click.option("--machine-type", "-M", default="", help="Only what is about this one.")
@click.option("--device", default="", help="Only what is about this device type.")
@click.option("--partner", type=RELEASE, help="Only what compares with this release.")
@click.option("--exit-code", is_flag=True, help="Exit status 1 where something blocks.")
@click.pass_obj
def findings_command(
    asked: Asked,
    /,
    release: tuple[str, str] | None,
    sources: tuple[Path, ...],
    change: int | None,
    everything: bool,
    exit_code: bool,
    partner: tuple[str, str] | None,
    **chosen: Any,
) -> int:
    """What the rules say of a draft (--change), or of RELEASE if its compat arrays were those of
    SOURCES (C sources or patches).

    With SOURCES only new findings are told and count: what is wrong already is no patch's fault.
    """
    chosen["partner"] = label(partner) if partner else ""
    # Who asks for notes wants to see them.
    everything = everything or bool(chosen["severity"])
    if release is None:
        if change is None:
            raise click.UsageError("Name a change request, or a RELEASE and its SOURCES.")
        findings = asked.client.all(f"changes/{change}/findings/", **chosen)
        found = {"differences": [], "findings": findings}
    else:
        if not sources:
            raise click.UsageError("Name the SOURCES, or a change request instead.")
        told = {} if asked.json or everything else {"new": True}
        found = _with_sources(asked, release, sources, {"change": change, **told, **chosen})
    if asked.json:
        output.as_json(found)
    else:
        _tell(found, everything)
    counting = [item for item in found["findings"] if item.get("new", True) and item["blocks"]]
    return NEGATIVE if exit_code and counting else DONE


def _with_sources(
    asked: Asked, release: tuple[str, str], sources: tuple[Path, ...], query: dict[str, Any]
) -> dict[str, Any]:
    """What would differ, and the findings of every page."""
    try:
        files = [("sources", (path.name, path.read_bytes())) for path in sources]
    except OSError as error:
        raise InputFailed(f"{error.filename}: {error.strerror}") from error
    place = f"releases/{address(release)}/findings/"
    return whole(
        "findings",
        lambda page: asked.client.ask(place, files=files, params={**query, **page}),
    )


def _tell(found: dict[str, Any], everything: bool) -> None:
    telling.differences(found["differences"])
    shown = [
        item
        for item in found["findings"]
        if everything or (item.get("new", True) and item["severity"] != "note" and _open(item))
    ]
    for item in shown:
        output.line(f"{item['severity']}: {item['text']}")
        for proposal in item["proposals"]:
            output.line(f"  → {proposal['text'] if isinstance(proposal, dict) else proposal}")
    if not shown:
        output.line("The rules have nothing against it.")


def _open(item: dict[str, Any]) -> bool:
    """Whether somebody has to do something about it."""
    return item["blocks"] or not item["waivers"]
