"""Edits of blacklist bitmaps: single versions, relaxed or tightened against the default."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from machines.emulator.catalogue import Catalogue
from policy import rules
from policy.document import (
    Override,
    Policy,
)
from policy.edits.operation import make
from policy.errors import Invalid
from policy.inputs import (
    base_of,
    machine_type_of,
    words,
)
from policy.models import ChangeRequest
from policy.rules.bitmaps import SectionBitmap

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class SetOverride:
    """Relax or tighten one version of a section (its path), on one machine type or on all.

    Takes the place of an earlier override of the same bit. Refused where the default does not
    differ from what is asked for on any of the machine types.
    """

    device: str
    section: str
    version: int
    action: str
    justification: str
    machine_type: str = ""

    @property
    def recorded_as(self) -> str:
        return f"{self.action} version"

    def alter(self, policy: Policy) -> Policy:
        if self.action not in {"relax", "tighten"}:
            raise Invalid("Choose relax or tighten.", field="action")
        justification = words(self.justification, "justification")
        if not justification:
            raise Invalid("Say why: a reviewer has to judge it.", field="justification")
        if self.machine_type:
            machine_type_of(policy, self.machine_type)
        new = Override(
            self.device,
            self.section,
            self.version,
            self.action,  # type: ignore[arg-type]
            justification,
            self.machine_type,
        )
        without = replace(policy, overrides=_without(policy.overrides, new))
        _check_override(without, new)
        return replace(without, overrides=(*without.overrides, new))


@dataclass(frozen=True, slots=True)
class ClearOverride:
    """Go back to the computed default for one version of a section."""

    recorded_as: ClassVar[str] = "clear override"
    device: str
    section: str
    version: int
    machine_type: str = ""

    def alter(self, policy: Policy) -> Policy:
        place = Override(self.device, self.section, self.version, "relax", "", self.machine_type)
        overrides = _without(policy.overrides, place)
        if overrides == policy.overrides:
            raise Invalid(
                f"Nothing overrides version {self.version} of {self.section}.", field="version"
            )
        return replace(policy, overrides=overrides)


def set_override(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    device: str,
    section: str,
    version: int,
    action: str,
    justification: str,
    machine_type: str = "",
) -> ChangeRequest:
    """Make :class:`SetOverride`; ``action`` is relax or tighten."""
    wanted = SetOverride(device, section, version, action, justification, machine_type)
    return make(change, actor, expected_version, wanted)


def clear_override(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    device: str,
    section: str,
    version: int,
    machine_type: str = "",
) -> ChangeRequest:
    """Make :class:`ClearOverride`."""
    return make(
        change, actor, expected_version, ClearOverride(device, section, version, machine_type)
    )


def _without(overrides: Iterable[Override], place: Override) -> tuple[Override, ...]:
    def key(item: Override) -> tuple[str, str, int, str]:
        return item.device, item.section, item.version, item.machine_type

    return tuple(item for item in overrides if key(item) != key(place))


def _check_override(policy: Policy, new: Override) -> None:
    """The bit must exist, and its default must be the other way on some machine type."""
    catalogue = rules.policy_catalogue(base_of(policy), policy)
    names = [new.machine_type] if new.machine_type else [m.name for m in policy.machine_types]
    defaults = set()
    for name in names or [""]:
        bitmap = _bitmap_of(policy, catalogue, name, new)
        cell = next((c for c in bitmap.cells if c.version <= new.version <= c.last), None)
        if cell is None:
            optional = ", or 0 for absent" if bitmap.cells and bitmap.cells[0].version == 0 else ""
            raise Invalid(
                f"{new.section} has versions {bitmap.minimum} to {bitmap.current}{optional}.",
                field="version",
            )
        defaults.add(cell.default)
    if new.action == "relax" and True not in defaults:
        raise Invalid(f"Version {new.version} is allowed by default.", field="action")
    if new.action == "tighten" and False not in defaults:
        raise Invalid(f"Version {new.version} is blacklisted by default.", field="action")


def _bitmap_of(
    policy: Policy, catalogue: Catalogue, machine_type: str, new: Override
) -> SectionBitmap:
    bitmaps = rules.device_bitmaps(policy, catalogue, machine_type, new.device)
    if not bitmaps:
        raise Invalid(f"No section of '{new.device}' is known.", field="device")
    found = next((item for item in bitmaps if item.path == new.section), None)
    if found is None:
        known = ", ".join(item.path for item in bitmaps[:10])
        raise Invalid(f"'{new.device}' has no section '{new.section}': {known}.", field="section")
    return found
