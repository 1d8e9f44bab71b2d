"""``CHANGES.md``: what a revision changes against the one before, as a release engineer needs it.

Made of the differences (:mod:`policy.document.differences`) that the revision recorded when it was
published, in the order of what there is to do: guests first, then the build, then the paperwork.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from policy.document import Policy
from policy.document.differences import Difference, entry_place

#: Heading → the groups of differences below it, and what the heading asks for.
_PARTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "What guests will see",
        "Ship the new property sets. Guests that are started anew get them, guests that run keep "
        "theirs until they are migrated here.",
        ("Machine types", "Compat properties"),
    ),
    (
        "What has to be in the build",
        "The patches of these features have to be in the package, or no longer be in it.",
        ("Backports",),
    ),
    (
        "Migrations: what is promised",
        "Your release notes want these.",
        ("Migrations", "Blacklist bitmaps", "Waivers"),
    ),
    (
        "Guests that need more on their destination",
        "Management tools add these properties for such guests; see MITIGATIONS.md.",
        ("Mitigations",),
    ),
    ("What the policy stands on", "Nothing to do.", ("Catalogue", "Trials")),
)


def report(label: str, parent: str, policy: Policy, differences: Sequence[Difference]) -> str:
    """The text. ``parent`` is the digest of the revision before, empty for the first."""
    since = f"the revision {parent[:12]}" if parent else "what the release's own sources say"
    lines = [f"# Changes in {label}", "", f"Against {since}.", ""]
    if not differences:
        return "\n".join([*lines, "Nothing changed.", ""])
    for heading, ask, groups in _PARTS:
        said = [
            line
            for group in groups
            for item in differences
            if item.group == group
            for line in _said(policy, item)
        ]
        if said:
            lines += [f"## {heading}", "", ask, "", *said, ""]
    return "\n".join(lines)


def _said(policy: Policy, item: Difference) -> Iterator[str]:
    text = _WORDS.get(item.group, _plainly)(policy, item)
    note = f" ({_line(item.note)})" if item.note and item.kind != "moved" else ""
    yield f"- {text}{note}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _code(text: str) -> str:
    """Text between backquotes, whatever is in it."""
    plain = _line(text)
    fence = "``" if "`" in plain else "`"
    return f"{fence} {plain} {fence}" if fence == "``" else f"`{plain}`"


def _plainly(policy: Policy, item: Difference) -> str:
    if not item.after:
        return f"{_line(item.label)}: no longer ({_line(item.before)})"
    was = f"; it was {_line(item.before)}" if item.before else ""
    return f"{_line(item.label)}: {_line(item.after)}{was}"


def _compat(policy: Policy, item: Difference) -> str:
    place = entry_place(item.label)
    name, machine_type = place.property, place.machine_type
    before, after = _code(f"{name}={item.before}"), _code(f"{name}={item.after}")
    what = {
        "added": f"now sets {after}",
        "removed": f"no longer sets {before}",
        "changed": f"sets {after}, was {before}",
        "moved": f"sets {_code(name)} at another place ({item.before}, now {item.after})",
    }[item.kind]
    heirs = [
        other.name
        for other in policy.machine_types
        if other.name != machine_type
        and any(m.name == machine_type for m in policy.lineage(other.name))
    ]
    also = f"; so do {_several(heirs)}" if heirs and item.kind != "moved" else ""
    return f"**{machine_type}**{place.again} {what}{also}"


def _several(names: Sequence[str]) -> str:
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more that go on from it"
    return ", ".join(names) + (", which goes on from it" if len(names) == 1 else "")


def _machine_type(policy: Policy, item: Difference) -> str:
    return {
        "added": f"New machine type **{item.label}**, which {item.after}",
        "removed": f"**{item.label}** is gone: guests that run on it cannot be migrated here",
        "changed": f"**{item.label}** {item.after} (it {item.before} before)"
        if item.before != item.after
        else f"**{item.label}** has another note",
        "moved": f"**{item.label}** stands elsewhere in the list; nothing to do",
    }[item.kind]


def _backport(policy: Policy, item: Difference) -> str:
    return {
        "added": f"{_line(item.label)} is backported: {_line(item.after)}",
        "removed": f"{_line(item.label)} is no longer backported",
        "changed": f"{_line(item.label)}: {_line(item.after)}, was {_line(item.before)}",
        "moved": f"{_line(item.label)} stands elsewhere in the list; nothing to do",
    }[item.kind]


def _migration(policy: Policy, item: Difference) -> str:
    return {
        "added": f"{_line(item.label)} is promised: {item.after}",
        "removed": f"{_line(item.label)} is no longer promised (was: {item.before})",
        "changed": f"{_line(item.label)} is promised: {item.after}, was: {item.before}",
        "moved": f"{_line(item.label)} stands elsewhere in the list; nothing to do",
    }[item.kind]


def _waiver(policy: Policy, item: Difference) -> str:
    known = "No longer accepted" if item.kind == "removed" else "Known, and accepted for a while"
    return f"{known}: {_plainly(policy, item)}" if item.after else f"{known}: {_line(item.label)}"


_WORDS: dict[str, Callable[[Policy, Difference], str]] = {
    "Compat properties": _compat,
    "Machine types": _machine_type,
    "Backports": _backport,
    "Migrations": _migration,
    "Waivers": _waiver,
}
