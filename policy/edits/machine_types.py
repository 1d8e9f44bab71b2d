"""Edits of machine types and their compat entries.

An entry is one of a machine type's own ones, by its position from 0, or by the driver and the
property that it sets; where both are given, both must hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from machines.catalogue import NoCatalogue, effective_catalogue
from machines.emulator.catalogue import CompatProperty
from policy.document import (
    MachineType,
    Policy,
)
from policy.edits.operation import make
from policy.errors import Invalid
from policy.inputs import (
    at,
    check_value,
    machine_type_of,
    release_of,
    value_of,
    without,
    word,
    words,
)
from policy.models import ChangeRequest
from policy.rules import seeding

if TYPE_CHECKING:
    from django.contrib.auth.models import User


# --- Machine types --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AddMachineType:
    """Add a machine type, which goes on from its parent's list where one is given."""

    recorded_as: ClassVar[str] = "add machine type"
    name: str
    parent: str = ""
    note: str = ""

    def alter(self, policy: Policy) -> Policy:
        name, parent = word(self.name, "name"), self.parent.strip()
        if policy.machine_type(name) is not None:
            raise Invalid(f"There is a machine type '{name}' already.", field="name")
        if parent:
            machine_type_of(policy, parent, field="parent")
        return policy.with_machine_type(MachineType(name, parent, (), words(self.note, "note")))


@dataclass(frozen=True, slots=True)
class SeedMachineTypes:
    """Add machine types by name, their entries composed from the release's own C arrays.

    For a release that tells its arrays but not its machine types. Those of one board are chained
    by parent, the newest first.
    """

    recorded_as: ClassVar[str] = "seed machine types"
    names: tuple[str, ...]

    def alter(self, policy: Policy) -> Policy:
        wanted = [word(name, "names") for name in self.names]
        if not wanted:
            raise Invalid("Name at least one machine type.", field="names")
        for name in wanted:
            if policy.machine_type(name) is not None:
                raise Invalid(f"There is a machine type '{name}' already.", field="names")
        try:
            catalogue, _ = effective_catalogue(release_of(policy))
        except NoCatalogue as error:
            raise Invalid(str(error), field="names") from error
        seeded = seeding.chained(catalogue, wanted)
        return replace(policy, machine_types=(*policy.machine_types, *seeded))


@dataclass(frozen=True, slots=True)
class RemoveMachineType:
    """Remove a machine type that nothing else refers to."""

    recorded_as: ClassVar[str] = "remove machine type"
    name: str

    def alter(self, policy: Policy) -> Policy:
        machine_type_of(policy, self.name, field="name")
        if uses := _uses(policy, self.name):
            why = ", ".join(dict.fromkeys(uses))
            raise Invalid(f"'{self.name}' is still in use: {why}.", field="name")
        kept = tuple(item for item in policy.machine_types if item.name != self.name)
        return replace(policy, machine_types=kept)


def _uses(policy: Policy, name: str) -> list[str]:
    """What names a machine type, in words."""
    found = [f"{item.name} goes on from it" for item in policy.machine_types if item.parent == name]
    for what, items in (
        ("a bitmap override", policy.overrides),
        ("a migration", policy.migrations),
        ("a mitigation", policy.mitigations),
        ("a waiver", policy.waivers),
    ):
        found += [f"{what} names it" for item in items if item.machine_type == name]
    return found


def add_machine_type(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    name: str,
    parent: str = "",
    note: str = "",
) -> ChangeRequest:
    """Make :class:`AddMachineType`."""
    return make(change, actor, expected_version, AddMachineType(name, parent, note))


def seed_machine_types(
    change: ChangeRequest, actor: User, expected_version: int, names: Sequence[str]
) -> ChangeRequest:
    """Make :class:`SeedMachineTypes`."""
    return make(change, actor, expected_version, SeedMachineTypes(tuple(names)))


def remove_machine_type(
    change: ChangeRequest, actor: User, expected_version: int, name: str
) -> ChangeRequest:
    """Make :class:`RemoveMachineType`."""
    return make(change, actor, expected_version, RemoveMachineType(name))


# --- Their entries --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AddEntry:
    """Add a compat entry to a machine type's own ones: at a position from 0, or at the end."""

    recorded_as: ClassVar[str] = "add entry"
    machine_type: str
    driver: str
    property: str
    value: str
    position: int | None = None

    def alter(self, policy: Policy) -> Policy:
        entry = CompatProperty(
            word(self.driver, "driver"), word(self.property, "property"), value_of(self.value)
        )
        check_value(policy, entry)
        found = machine_type_of(policy, self.machine_type)
        place = len(found.entries) if self.position is None else self.position
        if not 0 <= place <= len(found.entries):
            raise Invalid(
                f"Position {place} is outside 0 to {len(found.entries)}.", field="position"
            )
        entries = (*found.entries[:place], entry, *found.entries[place:])
        return policy.with_machine_type(replace(found, entries=entries))


@dataclass(frozen=True, slots=True)
class ChangeEntry:
    """Give an entry another value. It is the downstream's own then, no longer its C array's."""

    recorded_as: ClassVar[str] = "change entry"
    machine_type: str
    value: str
    position: int | None = None
    driver: str = ""
    property: str = ""

    def alter(self, policy: Policy) -> Policy:
        value = value_of(self.value)
        found = machine_type_of(policy, self.machine_type)
        place = _place(found, self.position, self.driver, self.property)
        old = found.entries[place]
        new = CompatProperty(old.driver, old.property, value)
        check_value(policy, new)
        if value == old.value:
            return policy
        entries = (*found.entries[:place], new, *found.entries[place + 1 :])
        return policy.with_machine_type(replace(found, entries=entries))


@dataclass(frozen=True, slots=True)
class MoveEntry:
    """Move an entry within its machine type's own ones to the position ``to``: the later one of
    two wins."""

    recorded_as: ClassVar[str] = "move entry"
    machine_type: str
    to: int
    position: int | None = None
    driver: str = ""
    property: str = ""

    def alter(self, policy: Policy) -> Policy:
        found = machine_type_of(policy, self.machine_type)
        place = _place(found, self.position, self.driver, self.property)
        at(found.entries, self.to, field="to")
        rest = list(without(found.entries, place))
        rest.insert(self.to, found.entries[place])
        return policy.with_machine_type(replace(found, entries=tuple(rest)))


@dataclass(frozen=True, slots=True)
class RemoveEntry:
    """Remove one of a machine type's own entries."""

    recorded_as: ClassVar[str] = "remove entry"
    machine_type: str
    position: int | None = None
    driver: str = ""
    property: str = ""

    def alter(self, policy: Policy) -> Policy:
        found = machine_type_of(policy, self.machine_type)
        place = _place(found, self.position, self.driver, self.property)
        entries = without(found.entries, place)
        return policy.with_machine_type(replace(found, entries=entries))


def _place(found: MachineType, position: int | None, driver: str, property: str) -> int:
    """The position of the entry that is meant. Raises Invalid where there is none, or not one."""
    wanted = f"{driver}.{property}"
    if position is not None:
        entry = at(found.entries, position)
        if wanted not in (".", f"{entry.driver}.{entry.property}"):
            raise Invalid(
                f"At position {position} is {entry.driver}.{entry.property}, not {wanted}.",
                field="position",
            )
        return position
    if not (driver and property):
        raise Invalid("Name the entry: its position, or driver and property.", field="position")
    places = [
        place
        for place, entry in enumerate(found.entries)
        if (entry.driver, entry.property) == (driver, property)
    ]
    if not places:
        raise Invalid(f"{found.name} has no entry {wanted} of its own.", field="property")
    if len(places) > 1:
        raise Invalid(
            f"{found.name} sets {wanted} {len(places)} times: name the position.", field="position"
        )
    return places[0]


def add_entry(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    machine_type: str,
    driver: str,
    property: str,
    value: str,
    position: int | None = None,
) -> ChangeRequest:
    """Make :class:`AddEntry`."""
    wanted = AddEntry(machine_type, driver, property, value, position)
    return make(change, actor, expected_version, wanted)


def change_entry(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    machine_type: str,
    position: int,
    value: str,
) -> ChangeRequest:
    """Make :class:`ChangeEntry`."""
    return make(change, actor, expected_version, ChangeEntry(machine_type, value, position))


def move_entry(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    machine_type: str,
    position: int,
    to: int,
) -> ChangeRequest:
    """Make :class:`MoveEntry`."""
    return make(change, actor, expected_version, MoveEntry(machine_type, to, position))


def remove_entry(
    change: ChangeRequest, actor: User, expected_version: int, machine_type: str, position: int
) -> ChangeRequest:
    """Make :class:`RemoveEntry`."""
    return make(change, actor, expected_version, RemoveEntry(machine_type, position))
