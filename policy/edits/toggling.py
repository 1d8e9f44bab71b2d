"""Bits of a device's blacklist bitmaps that a person wants the other way. Pure.

A toggle turns one version of a section over, as it is on the machine type that is looked at: a bit
that nothing overrides is relaxed or tightened, one that an override decides goes back to its
default. Several turns are one edit: :func:`operations_of` makes them operations of
:mod:`policy.edits`, :func:`turned` tells what they would leave, before anything is saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from machines.emulator import bitmap
from policy.document import Override, Policy
from policy.edits.operation import Operation
from policy.edits.overrides import ClearOverride, SetOverride
from policy.errors import Invalid
from policy.rules.bitmaps import Cell, SectionBitmap

#: Bits that are turned over together.
MAX_TOGGLES = 32
#: Versions that an error names.
MAX_NAMED = 5

Action = Literal["relax", "tighten", "clear"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to become of one bit, as plain data.

    ``machine_type`` is where the override is to hold, empty for all; of a bit that goes back to
    its default (``clear``), where the override holds now.
    """

    section: str
    version: int
    action: Action
    machine_type: str = ""


@dataclass(frozen=True, slots=True)
class Toggle:
    """One bit to turn over: the ``cell`` that it is in now, and the ``override`` that decides it,
    None for nothing.
    """

    turn: Turn
    cell: Cell
    override: Override | None = None


def deciding(
    policy: Policy | None, lineage: Sequence[str], path: str, version: int, machine_type: str
) -> Override | None:
    """The override of a bit, whose device is of ``lineage`` (a device type and its ancestors).

    One for this machine type comes before one for all.
    """
    found = [
        item
        for item in (policy.overrides if policy is not None else ())
        if (item.section, item.version) == (path, version)
        and item.device in lineage
        and item.machine_type in {"", machine_type}
    ]
    return max(found, key=lambda item: bool(item.machine_type), default=None)


def cell_of(section: SectionBitmap, version: int) -> Cell:
    """The cell that holds a version. Raises Invalid (field ``value``) where there is none."""
    for cell in section.cells:
        if cell.version <= version <= cell.last:
            return cell
    raise Invalid(f"Version {version} does not exist: {versions_of(section)}.", field="value")


def versions_of(section: SectionBitmap) -> str:
    """The versions that a section has, in words."""
    newest = f"{section.path} has versions {section.minimum} to {section.current}"
    if section.minimum == section.current:
        newest = f"{section.path} has version {section.current}"
    zero = section.optional and section.cells and section.cells[0].version == 0
    return newest + (", and 0 for absent" if zero else "")


def toggle_of(
    policy: Policy | None,
    lineage: Sequence[str],
    section: SectionBitmap,
    version: int,
    machine_type: str,
    only: str = "",
) -> Toggle:
    """What turning a bit over means on ``machine_type``; ``only`` limits a new override to one.

    Raises Invalid (field ``value``) where the version does not exist, or an ancestor's override
    decides the bit: it has to be taken back there.
    """
    cell = cell_of(section, version)
    override = deciding(policy, lineage, section.path, version, machine_type)
    if cell.layer in {"allowed", "default"}:
        action: Action = "relax" if cell.default else "tighten"
        return Toggle(Turn(section.path, version, action, only), cell, override)
    if override is not None and override.device != lineage[0]:
        raise Invalid(
            f"Version {version} of {section.path} is overridden through {override.device}: "
            "take it back there.",
            field="value",
        )
    held = override.machine_type if override is not None else ""
    return Toggle(Turn(section.path, version, "clear", held), cell, override)


def differing(section: SectionBitmap, text: str) -> tuple[int, ...]:
    """The versions whose bit differs from a bitmap's text (``0x6``, ``1-4999``), ascending.

    Raises Invalid (field ``value``) for what is no bitmap, for versions that the section does not
    have, and where more than :data:`MAX_TOGGLES` differ.
    """
    try:
        wanted = bitmap.parse(text)
    except bitmap.BitmapError as error:
        message = str(error)
        raise Invalid(f"{message[0].upper()}{message[1:]}.", field="value") from error
    _check_exist(section, wanted)
    if (count := sum(_count(cell, wanted) for cell in section.cells)) > MAX_TOGGLES:
        raise Invalid(f"That changes {count} versions; at most {MAX_TOGGLES} at a time.", "value")
    return tuple(
        version
        for cell in section.cells
        if _count(cell, wanted)
        for version in range(cell.version, cell.last + 1)
        if (version in wanted) != cell.effective
    )


def _check_exist(section: SectionBitmap, wanted: frozenset[int]) -> None:
    missing = [
        version
        for version in sorted(wanted)
        if not any(cell.version <= version <= cell.last for cell in section.cells)
    ]
    if not missing:
        return
    named = ", ".join(map(str, missing[:MAX_NAMED])) + ("…" if len(missing) > MAX_NAMED else "")
    what = f"Version {named} does" if len(missing) == 1 else f"Versions {named} do"
    raise Invalid(f"{what} not exist: {versions_of(section)}.", field="value")


def _count(cell: Cell, wanted: frozenset[int]) -> int:
    """How many versions of a cell differ. A run may be long: it is not walked to be counted."""
    inside = sum(cell.version <= version <= cell.last for version in wanted)
    return cell.last - cell.version + 1 - inside if cell.effective else inside


def operations_of(
    device: str, turns: Sequence[Turn], justifications: Sequence[str]
) -> tuple[Operation, ...]:
    """The edits that turn the bits over; a justification for each, unused where none is needed."""
    return tuple(
        ClearOverride(device, item.section, item.version, item.machine_type)
        if item.action == "clear"
        else SetOverride(device, item.section, item.version, item.action, why, item.machine_type)
        for item, why in zip(turns, justifications, strict=True)
    )


def turned(policy: Policy, device: str, turns: Sequence[Turn]) -> Policy:
    """The policy as the turned bits would leave it; their justifications are not known yet."""
    places = {(item.section, item.version, item.machine_type) for item in turns}
    kept = [
        item
        for item in policy.overrides
        if item.device != device or (item.section, item.version, item.machine_type) not in places
    ]
    new = [
        Override(device, item.section, item.version, item.action, "preview", item.machine_type)
        for item in turns
        if item.action != "clear"
    ]
    return replace(policy, overrides=(*kept, *new))
