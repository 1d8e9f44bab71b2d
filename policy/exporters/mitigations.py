"""``MITIGATIONS.md``: which guests need further properties on a destination of this release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from machines.emulator.catalogue import CompatProperty
from policy.document import Mitigation, Policy

#: Where the guests were started, and as which machine type.
Guests = tuple[str, str]


def sets(policy: Policy) -> dict[Guests, tuple[CompatProperty, ...]]:
    """What to set *after* the machine type's own set, for the guests of each mitigation."""
    found: dict[Guests, tuple[CompatProperty, ...]] = {}
    for item in policy.mitigations:
        guests = (item.started_on, item.machine_type)
        entries = tuple(CompatProperty(e.driver, e.property, e.value) for e in item.entries)
        found[guests] = (*found.get(guests, ()), *entries)
    return found


def report(policy: Policy, folders: Mapping[Guests, str]) -> str:
    """The text; ``folders`` says where the files of the guests' set are."""
    lines = [f"# Mitigations of {policy.label}", ""]
    if not policy.mitigations:
        return "\n".join([*lines, "None: every guest runs with its machine type's own set.", ""])
    lines += [
        "A guest keeps what it was started with until it is powered off. Where it was started on",
        "one of these releases, its destination needs further properties, after the machine type's",
        "own set, and every destination after that one too.",
        "",
        "| started on | machine type | set | files | until | because |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        _row(item, folders[item.started_on, item.machine_type]) for item in policy.mitigations
    ]
    return "\n".join([*lines, ""])


def _row(item: Mitigation, folder: str) -> str:
    entries = ", ".join(f"{e.driver}.{e.property}={e.value}" for e in item.entries)
    cells: Sequence[str] = (
        item.started_on,
        item.machine_type,
        entries,
        folder,
        item.until,
        item.reason,
    )
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
