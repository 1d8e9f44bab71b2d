"""Releases, as the server has them."""

from __future__ import annotations

import click

from frontend.cli import output
from frontend.cli.main import Asked, Command
from frontend.cli.naming import RELEASE, address


@click.command("releases", cls=Command)
@click.argument("release", type=RELEASE, required=False)
@click.option("--tree", default="", help="Only this tree's.")
@click.pass_obj
def releases_command(asked: Asked, release: tuple[str, str] | None, tree: str) -> None:
    """List the releases, or tell about RELEASE ('rhel 9.3')."""
    if release is not None:
        _one(asked, release)
        return
    found = asked.client.all("releases/", tree=tree)
    if asked.json:
        output.as_json(found)
        return
    rows = [(item["label"], item["base"], item["stand_in"]) for item in found]
    output.table(("release", "base", "catalogue of"), rows, "No releases.")


def _one(asked: Asked, release: tuple[str, str]) -> None:
    found = asked.client.get(f"releases/{address(release)}/")
    if asked.json:
        output.as_json(found)
        return
    snapshot = found["snapshot"] or {}
    output.facts(
        [
            ("release", found["label"]),
            ("base", found["base"]),
            ("catalogue of", found["stand_in"]),
            ("revision", found["revision"] and f"r{found['revision']}"),
            ("snapshot", snapshot.get("number")),
            ("QEMU", snapshot.get("qemu_version")),
            ("imported", snapshot.get("imported_at")),
        ]
    )
