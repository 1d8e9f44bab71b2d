"""Edits of what a policy promises and tries: migrations, mitigations, devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from machines.emulator.catalogue import CompatProperty
from machines.emulator.drivers import description_of
from policy import rules
from policy.document import (
    DECLARABLE,
    Migration,
    Mitigation,
    Policy,
)
from policy.edits.operation import make
from policy.errors import Invalid
from policy.inputs import (
    base_of,
    check_label,
    check_value,
    line,
    machine_type_of,
    value_of,
    without,
    word,
    words,
)
from policy.models import ChangeRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User


# --- Declared migrations --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AddMigration:
    """Declare a migration by release labels; trials must then show the ``expected`` outcome."""

    recorded_as: ClassVar[str] = "add migration"
    source: str
    destination: str
    expected: str
    machine_type: str = ""
    note: str = ""

    def alter(self, policy: Policy) -> Policy:
        if self.expected not in DECLARABLE:
            raise Invalid(f"Choose one of {', '.join(DECLARABLE)}.", field="expected")
        if policy.label not in {self.source, self.destination}:
            raise Invalid(f"One of the two has to be {policy.label}.", field="source")
        check_label(self.source, "source")
        check_label(self.destination, "destination")
        if self.machine_type:
            machine_type_of(policy, self.machine_type)
        ends = self.source, self.destination, self.machine_type
        if any((m.source, m.destination, m.machine_type) == ends for m in policy.migrations):
            raise Invalid("This migration is declared already.", field="machine_type")
        note = words(self.note, "note")
        new = Migration(self.source, self.destination, self.expected, self.machine_type, note)
        return replace(policy, migrations=(*policy.migrations, new))


@dataclass(frozen=True, slots=True)
class RemoveMigration:
    """No longer declare a migration: the one at a position from 0, or the one from ``source`` to
    ``destination`` on ``machine_type``."""

    recorded_as: ClassVar[str] = "remove migration"
    position: int | None = None
    source: str = ""
    destination: str = ""
    machine_type: str = ""

    def alter(self, policy: Policy) -> Policy:
        return replace(policy, migrations=without(policy.migrations, self._place(policy)))

    def _place(self, policy: Policy) -> int:
        if self.position is not None:
            return self.position
        ends = self.source, self.destination, self.machine_type
        for place, item in enumerate(policy.migrations):
            if (item.source, item.destination, item.machine_type) == ends:
                return place
        raise Invalid("No such migration is declared.", field="source")


def add_migration(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    source: str,
    destination: str,
    expected: str,
    machine_type: str = "",
    note: str = "",
) -> ChangeRequest:
    """Make :class:`AddMigration`."""
    wanted = AddMigration(source, destination, expected, machine_type, note)
    return make(change, actor, expected_version, wanted)


def remove_migration(
    change: ChangeRequest, actor: User, expected_version: int, position: int
) -> ChangeRequest:
    """Make :class:`RemoveMigration`."""
    return make(change, actor, expected_version, RemoveMigration(position))


# --- Mitigations ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AddMitigation:
    """Set further properties for guests that were started on another release."""

    recorded_as: ClassVar[str] = "add mitigation"
    started_on: str
    machine_type: str
    entries: tuple[CompatProperty, ...]
    reason: str
    until: str = ""

    def alter(self, policy: Policy) -> Policy:
        listed = tuple(
            CompatProperty(
                word(entry.driver, "entries"),
                word(entry.property, "entries"),
                value_of(entry.value, "entries"),
            )
            for entry in self.entries
        )
        if not listed:
            raise Invalid("A mitigation sets at least one property.", field="entries")
        for entry in listed:
            check_value(policy, entry, field="entries")
        reason = words(self.reason, "reason")
        if not reason:
            raise Invalid("Say why: a reviewer has to judge it.", field="reason")
        check_label(self.started_on, "started_on")
        machine_type_of(policy, self.machine_type)
        until = line(self.until, "until")
        new = Mitigation(self.started_on, self.machine_type, listed, reason, until)
        return replace(policy, mitigations=(*policy.mitigations, new))


@dataclass(frozen=True, slots=True)
class RemoveMitigation:
    """Take the mitigation at a position from 0 out again."""

    recorded_as: ClassVar[str] = "remove mitigation"
    position: int

    def alter(self, policy: Policy) -> Policy:
        return replace(policy, mitigations=without(policy.mitigations, self.position))


def add_mitigation(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    started_on: str,
    machine_type: str,
    entries: Sequence[tuple[str, str, str]],
    reason: str,
    until: str = "",
) -> ChangeRequest:
    """Make :class:`AddMitigation`; an entry is (driver, property, value)."""
    listed = tuple(CompatProperty(*entry) for entry in entries)
    wanted = AddMitigation(started_on, machine_type, listed, reason, until)
    return make(change, actor, expected_version, wanted)


def remove_mitigation(
    change: ChangeRequest, actor: User, expected_version: int, position: int
) -> ChangeRequest:
    """Make :class:`RemoveMitigation`."""
    return make(change, actor, expected_version, RemoveMitigation(position))


# --- What trials exercise -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChooseDevices:
    """Say which devices trials exercise, in the board's order; none means all that can migrate."""

    recorded_as: ClassVar[str] = "choose devices"
    devices: tuple[str, ...]

    def alter(self, policy: Policy) -> Policy:
        wanted = tuple(dict.fromkeys(word(name, "devices") for name in self.devices))
        catalogue = rules.policy_catalogue(base_of(policy), policy)
        for name in wanted:
            if description_of(catalogue, name) is None:
                raise Invalid(f"'{name}' has no state that could migrate.", field="devices")
        return replace(policy, devices=wanted)


def choose_devices(
    change: ChangeRequest, actor: User, expected_version: int, devices: Sequence[str]
) -> ChangeRequest:
    """Make :class:`ChooseDevices`."""
    return make(change, actor, expected_version, ChooseDevices(tuple(devices)))
