"""Trials that the server ran, one by one and as a matrix."""

from __future__ import annotations

from typing import Any

import click

from frontend.cli import output
from frontend.cli.client import whole
from frontend.cli.failures import DONE, NEGATIVE
from frontend.cli.main import Asked, Command
from frontend.cli.naming import RELEASE, label


@click.command("trials", cls=Command)
@click.argument("number", type=int, required=False)
@click.option("--outcome", default="", help="correct, degraded, refused or corrupt.")
@click.option("--state", default="", help="queued, running, done or failed.")
@click.option("--release", type=RELEASE, help="On either side.")
@click.option("--machine-type", "-M", default="", help="Part of its name.")
@click.option("--limit", default=50, show_default=True, help="How many at most; 0: all.")
@click.pass_obj
def trials_command(
    asked: Asked,
    number: int | None,
    outcome: str,
    state: str,
    release: tuple[str, str] | None,
    machine_type: str,
    limit: int,
) -> None:
    """List trials, the newest first; or tell about trial NUMBER."""
    if number is not None:
        _one(asked, asked.client.get(f"trials/{number}/"))
        return
    query: dict[str, Any] = {"outcome": outcome, "state": state, "machine_type": machine_type}
    if release is not None:
        query["search"] = label(release)
    found = asked.client.all("trials/", limit, **query)
    if asked.json:
        output.as_json(found)
        return
    columns = ("", "outcome", "state", "from", "to", "machine type")
    rows = [
        (f"#{item['id']}", item["outcome"], item["state"], *_ends(item), item["machine_type"])
        for item in found
    ]
    output.table(columns, rows, "No trials.")


def _ends(item: dict[str, Any]) -> tuple[str, str]:
    return item["source"], item["destination"]


def _one(asked: Asked, found: dict[str, Any]) -> None:
    if asked.json:
        output.as_json(found)
        return
    result = found["result"] or {}
    output.facts(
        [
            ("trial", f"#{found['id']}"),
            ("from", found["source"]),
            ("to", found["destination"]),
            ("machine type", found["machine_type"]),
            ("state", found["state"]),
            ("outcome", found["outcome"]),
            ("error", found["error"]),
        ]
    )
    for hop in result.get("hops", ()):
        for problem in hop.get("problems", ()):
            output.line(f"  {problem['section'] or problem['device']}: {problem['reason']}")
    for lost in result.get("lost", ()):
        words = (lost.get("section"), lost.get("field"), lost.get("kind"))
        output.line(f"  {' / '.join(str(word) for word in words if word)}")


@click.command("matrix", cls=Command)
@click.argument("tree", required=False)
@click.option("--machine-type", "-M", default="", help="Only this one's migrations.")
@click.option("--change", type=int, help="With the draft of a change request.")
@click.pass_obj
def matrix_command(asked: Asked, tree: str | None, machine_type: str, change: int | None) -> int:
    """How the migrations stand that TREE's policies declare; exit status 1 unless all passed."""
    if tree is None and change is None:
        raise click.UsageError("Name a TREE, or a change request with --change.")
    query = {"tree": tree, "machine_type": machine_type, "change": change}
    found = whole("migrations", lambda page: asked.client.get("matrix/", **query, **page))
    if asked.json:
        output.as_json(found)
    else:
        columns = ("standing", "outcome", "expected", "from", "to", "machine type")
        rows = [
            (
                item["standing"],
                item["outcome"],
                item["expected"],
                *_ends(item),
                item["machine_type"],
            )
            for item in found["migrations"]
        ]
        output.table(columns, rows, "No migrations are declared.")
    held = {"passed", "waived"}
    return DONE if all(item["standing"] in held for item in found["migrations"]) else NEGATIVE
