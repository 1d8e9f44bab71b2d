"""What has some words in its name, wherever on the server it is."""

from __future__ import annotations

import click

from frontend.cli import output
from frontend.cli.failures import DONE, NEGATIVE
from frontend.cli.main import Asked, Command
from frontend.cli.naming import RELEASE, label


@click.command("search", cls=Command)
@click.argument("words", nargs=-1, required=True)
@click.option("--release", type=RELEASE, help="Where a name leads that several releases have.")
@click.option("--limit", type=int, default=0, help="Hits of each kind; else all that it tells.")
@click.pass_obj
def search_command(
    asked: Asked, words: tuple[str, ...], release: tuple[str, str] | None, limit: int
) -> int:
    """Find releases, machine types, devices, properties, sections, features, change requests,
    trials, bundles, people and comments whose names hold all WORDS, or the one of a number.

    Exit status 1 where there is none.
    """
    query = {"q": " ".join(words), "release": label(release) if release else ""}
    found = asked.client.get("search/", **query, limit=limit or None)
    if asked.json:
        output.as_json(found)
    else:
        rows = [
            (group["kind"], hit["label"], hit["where"], asked.client.site + hit["page"])
            for group in found["groups"]
            for hit in group["hits"]
        ]
        output.table(("kind", "name", "where", "page"), rows, "Nothing has such a name.")
        if more := [group["kind"] for group in found["groups"] if group["more"]]:
            output.aside(f"There are more {', '.join(more)}: another word narrows it.")
    return DONE if found["count"] else NEGATIVE
