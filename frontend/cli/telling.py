"""A change request, and what differs, as both are told at a terminal."""

from __future__ import annotations

from typing import Any

from frontend.cli import output
from frontend.cli.main import Asked


def change(asked: Asked, found: dict[str, Any]) -> None:
    """A change request: how it stands, what is in its way, and what it changes."""
    if asked.json:
        output.as_json(found)
        return
    standings = [item["standing"] for item in found["trials"]]
    passed = sum(item in ("passed", "waived") for item in standings)
    output.line(f"#{found['id']} {found['title']}")
    output.facts(
        [
            ("release", found["release"]),
            ("status", found["status"]),
            ("author", found["author"]),
            ("digest", found["digest"]),
            ("version", found["lock_version"]),
            ("published as", found["revision"] and f"r{found['revision']}"),
            ("trials", f"{passed} of {len(standings)} passed" if standings else ""),
            ("you may", ", ".join(found["available"])),
        ]
    )
    for turn in found["turns"]:
        output.line(f"turn: {', '.join(turn['people']) or 'the service'}: {turn['why']}")
    for blocker in found["blockers"]:
        output.line(f"open: {blocker['text']}")
    differences(found["differences"])


def differences(found: list[dict[str, Any]]) -> None:
    """What differs, in words."""
    signs = {"added": "+", "removed": "-"}
    for item in found:
        values = " → ".join(value for value in (item["before"], item["after"]) if value)
        sign = signs.get(item["kind"], "~")
        output.line(f"{sign} {item['label']}{': ' if values else ''}{values}")
