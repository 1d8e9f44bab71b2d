"""Edits of machine types and their compat entries. A position counts own entries from 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from machines.catalogue import NoCatalogue, effective_catalogue
from machines.emulator.catalogue import CompatProperty
from policy import drafts, seeding
from policy.document import (
    MachineType,
    Policy,
)
from policy.edits.checks import (
    at,
    check_value,
    machine_type_of,
    value_of,
    word,
    words,
)
from policy.errors import Invalid
from policy.models import ChangeRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def add_machine_type(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    name: str,
    parent: str = "",
    note: str = "",
) -> ChangeRequest:
    """Add a machine type, which goes on from ``parent``'s list where one is given."""
    name, parent, note = word(name, "name"), parent.strip(), words(note, "note")

    def alter(policy: Policy) -> Policy:
        if policy.machine_type(name) is not None:
            raise Invalid(f"There is a machine type '{name}' already.", field="name")
        if parent:
            machine_type_of(policy, parent, field="parent")
        return policy.with_machine_type(MachineType(name, parent, (), note))

    return drafts.rewrite(change, actor, expected_version, "add machine type", alter)


def seed_machine_types(
    change: ChangeRequest, actor: User, expected_version: int, names: Sequence[str]
) -> ChangeRequest:
    """Add machine types by name, their entries composed from the release's own C arrays.

    For a release that tells its arrays but not its machine types. Those of one board are chained
    by parent, the newest first.
    """
    wanted = [word(name, "names") for name in names]
    if not wanted:
        raise Invalid("Name at least one machine type.", field="names")
    try:
        catalogue, _ = effective_catalogue(change.release)
    except NoCatalogue as error:
        raise Invalid(str(error), field="names") from error

    def alter(policy: Policy) -> Policy:
        for name in wanted:
            if policy.machine_type(name) is not None:
                raise Invalid(f"There is a machine type '{name}' already.", field="names")
        seeded = seeding.chained(catalogue, wanted)
        return replace(policy, machine_types=(*policy.machine_types, *seeded))

    return drafts.rewrite(change, actor, expected_version, "seed machine types", alter)


def remove_machine_type(
    change: ChangeRequest, actor: User, expected_version: int, name: str
) -> ChangeRequest:
    """Remove a machine type that nothing else refers to."""

    def alter(policy: Policy) -> Policy:
        machine_type_of(policy, name, field="name")
        uses = [
            f"{item.name} goes on from it" for item in policy.machine_types if item.parent == name
        ]
        uses += [
            "a bitmap override names it" for item in policy.overrides if item.machine_type == name
        ]
        uses += ["a migration names it" for item in policy.migrations if item.machine_type == name]
        uses += [
            "a mitigation names it" for item in policy.mitigations if item.machine_type == name
        ]
        uses += ["a waiver names it" for item in policy.waivers if item.machine_type == name]
        if uses:
            why = ", ".join(dict.fromkeys(uses))
            raise Invalid(f"'{name}' is still in use: {why}.", field="name")
        kept = tuple(item for item in policy.machine_types if item.name != name)
        return replace(policy, machine_types=kept)

    return drafts.rewrite(change, actor, expected_version, "remove machine type", alter)


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
    """Add a compat entry to a machine type's own ones: at ``position`` from 0, or at the end."""
    entry = CompatProperty(word(driver, "driver"), word(property, "property"), value_of(value))
    check_value(change, entry)

    def alter(policy: Policy) -> Policy:
        found = machine_type_of(policy, machine_type)
        place = len(found.entries) if position is None else position
        if not 0 <= place <= len(found.entries):
            raise Invalid(
                f"Position {place} is outside 0 to {len(found.entries)}.", field="position"
            )
        entries = (*found.entries[:place], entry, *found.entries[place:])
        return policy.with_machine_type(replace(found, entries=entries))

    return drafts.rewrite(change, actor, expected_version, "add entry", alter)


def change_entry(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    machine_type: str,
    position: int,
    value: str,
) -> ChangeRequest:
    """Give an entry another value. It is the downstream's own then, no longer its C array's."""
    value = value_of(value)

    def alter(policy: Policy) -> Policy:
        found = machine_type_of(policy, machine_type)
        old = at(found.entries, position)
        new = CompatProperty(old.driver, old.property, value)
        check_value(change, new)
        if value == old.value:
            return policy
        entries = (*found.entries[:position], new, *found.entries[position + 1 :])
        return policy.with_machine_type(replace(found, entries=entries))

    return drafts.rewrite(change, actor, expected_version, "change entry", alter)


def move_entry(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    machine_type: str,
    position: int,
    to: int,
) -> ChangeRequest:
    """Move an entry within its machine type's own ones; the later one of two wins."""

    def alter(policy: Policy) -> Policy:
        found = machine_type_of(policy, machine_type)
        moved = at(found.entries, position)
        at(found.entries, to, field="to")
        rest = [*found.entries[:position], *found.entries[position + 1 :]]
        rest.insert(to, moved)
        return policy.with_machine_type(replace(found, entries=tuple(rest)))

    return drafts.rewrite(change, actor, expected_version, "move entry", alter)


def remove_entry(
    change: ChangeRequest, actor: User, expected_version: int, machine_type: str, position: int
) -> ChangeRequest:
    """Remove one of a machine type's own entries."""

    def alter(policy: Policy) -> Policy:
        found = machine_type_of(policy, machine_type)
        at(found.entries, position)
        entries = (*found.entries[:position], *found.entries[position + 1 :])
        return policy.with_machine_type(replace(found, entries=entries))

    return drafts.rewrite(change, actor, expected_version, "remove entry", alter)
