"""Taking a removal back: the entry as it was, with the C array that it came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from machines.emulator.catalogue import CompatProperty
from policy import history
from policy.document import Policy
from policy.edits.operation import make
from policy.errors import Invalid
from policy.inputs import at, machine_type_of
from policy.models import ChangeRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class RestoreEntry:
    """Put an entry that was there back to its place, from 0, or to the end of a shorter list."""

    recorded_as: ClassVar[str] = "restore entry"
    machine_type: str
    position: int
    entry: CompatProperty

    def alter(self, policy: Policy) -> Policy:
        found = machine_type_of(policy, self.machine_type)
        place = min(self.position, len(found.entries))
        entries = (*found.entries[:place], self.entry, *found.entries[place:])
        return policy.with_machine_type(replace(found, entries=entries))


def entry_of_version(
    change: ChangeRequest, actor: User, version: int, machine_type: str, position: int
) -> CompatProperty:
    """An own entry as it was in a version of the draft. Raises Invalid where there was none."""
    if version < 1:
        raise Invalid(f"The change request has no version {version}.", field="version")
    then = history.named(change, str(version), actor).policy
    return at(machine_type_of(then, machine_type).entries, position)


def restore_entry(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    version: int,
    machine_type: str,
    position: int,
) -> ChangeRequest:
    """Put an entry back that was at ``position`` in ``version`` of the draft, as it was then."""
    entry = entry_of_version(change, actor, version, machine_type, position)
    return make(change, actor, expected_version, RestoreEntry(machine_type, position, entry))
