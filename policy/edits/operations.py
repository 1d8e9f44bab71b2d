"""Edits by name: a list of operations, read from JSON, tried, and made all or none.

What a program or a page with many rows sends is a list such as

    [{"op": "change-entry", "machine_type": "pc-q35-rhel9.2.0", "driver": "virtio-net-pci",
      "property": "vectors", "value": "3"},
     {"op": "add-migration", "source": "rhel 9.2", "destination": "rhel 9.3",
      "expected": "correct"}]

:func:`read` makes operations of it, :func:`run` makes them of a policy one after the other and says
of every one what became of it, :func:`apply` writes the draft where all of them could be made. A
field of an operation is called as in its class; it is needed where the class gives it no default.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from machines.emulator.catalogue import CompatProperty
from policy import drafts, inputs
from policy.document import Policy
from policy.edits import backports, machine_types, migrations, overrides, waivers
from policy.edits.operation import Operation
from policy.errors import Invalid
from policy.models import ChangeRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Operations that one call may bring.
MAX_OPERATIONS = 1000
#: How long a processor may make them, in seconds: meanwhile nobody else can write to SQLite.
MAX_SECONDS = 10.0
OPERATIONS: Mapping[str, type[Operation]] = {
    "add-machine-type": machine_types.AddMachineType,
    "seed-machine-types": machine_types.SeedMachineTypes,
    "remove-machine-type": machine_types.RemoveMachineType,
    "add-entry": machine_types.AddEntry,
    "change-entry": machine_types.ChangeEntry,
    "move-entry": machine_types.MoveEntry,
    "remove-entry": machine_types.RemoveEntry,
    "set-override": overrides.SetOverride,
    "clear-override": overrides.ClearOverride,
    "add-backport": backports.AddBackport,
    "add-required-entries": backports.AddRequiredEntries,
    "remove-backport": backports.RemoveBackport,
    "add-migration": migrations.AddMigration,
    "remove-migration": migrations.RemoveMigration,
    "add-mitigation": migrations.AddMitigation,
    "remove-mitigation": migrations.RemoveMitigation,
    "choose-devices": migrations.ChooseDevices,
    "waive-trial": waivers.WaiveTrial,
    "waive-finding": waivers.WaiveFinding,
    "apply-proposal": waivers.ApplyProposal,
    "remove-waiver": waivers.RemoveWaiver,
}
#: Characters of a wrong name that a message repeats.
MAX_TOLD = 60
#: What the audit trail calls edits of several kinds at once.
SEVERAL = "make several edits"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the operation at ``index`` (from 0) cannot be made, and the field at fault, if any."""

    index: int
    field: str
    message: str


class Refused(Invalid):
    """Operations that cannot be made; nothing was written. ``problems`` has every one of them."""

    def __init__(self, problems: Sequence[Problem], total: int) -> None:
        first = problems[0]
        super().__init__(
            f"{len(problems)} of {total} operations cannot be made, and so none was. "
            f"Operation {first.index}: {first.message}",
            field="operations",
        )
        self.problems = tuple(problems)


# --- Reading --------------------------------------------------------------------------------------


def read(document: Any) -> tuple[Operation, ...]:
    """Operations from their JSON form. Raises Invalid, :class:`Refused` with every fault."""
    if not isinstance(document, list) or not document:
        raise Invalid("Send a list of operations, at least one.", field="operations")
    if len(document) > MAX_OPERATIONS:
        raise Invalid(f"At most {MAX_OPERATIONS} operations at once.", field="operations")
    found: list[Operation] = []
    problems = []
    for index, item in enumerate(document):
        try:
            found.append(_operation(item))
        except Invalid as error:
            problems.append(Problem(index, error.field, str(error)))
    if problems:
        raise Refused(problems, len(document))
    return tuple(found)


def _operation(document: Any) -> Operation:
    if not isinstance(document, dict):
        raise Invalid("An operation is an object.")
    name = document.get("op")
    kind = OPERATIONS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise Invalid(f"It is one of {', '.join(OPERATIONS)}.", field="op")
    known = fields(kind)
    for key in document:
        if key != "op" and key not in known:
            told = f" '{key}'" if key.isprintable() and len(key) <= MAX_TOLD else " such field"
            raise Invalid(f"{name} takes no{told}, but {', '.join(known)}.", field="op")
    values = {}
    for key, field in known.items():
        if key in document:
            values[key] = _value(document[key], field.kind, key)
        elif field.is_needed:
            raise Invalid(f"{name} needs it.", field=key)
    return kind(**values)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an operation, by its type in Python."""

    kind: Any
    is_needed: bool
    default: Any = None


def fields(kind: type[Operation]) -> dict[str, Field]:
    """What an operation takes, in order."""
    hints = get_type_hints(kind)
    assert dataclasses.is_dataclass(kind)  # noqa: S101 - what is not has no fields to read
    found = {}
    for item in dataclasses.fields(kind):
        is_needed = item.default is dataclasses.MISSING
        default = None if is_needed else item.default
        found[item.name] = Field(hints[item.name], is_needed, default)
    return found


#: What a field takes in JSON, in words.
_WORDS = {str: "text", int: "a whole number"}


def _value(value: Any, kind: Any, key: str) -> Any:
    """A field's value. Raises Invalid."""
    parts = get_args(kind)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise Invalid("It is a list.", field=key)
        if len(value) > MAX_OPERATIONS:
            raise Invalid(f"It has at most {MAX_OPERATIONS} items.", field=key)
        return tuple(_value(item, parts[0], key) for item in value)
    if type(None) in parts:
        return None if value is None else _value(value, parts[0], key)
    if kind is CompatProperty:
        return _entry(value, key)
    if kind is date:
        return _day(value, key)
    if type(value) is not kind:
        raise Invalid(f"It is {_WORDS[kind]}.", field=key)
    if isinstance(value, str):
        inputs.words(value, key)
    return value


def _entry(value: Any, key: str) -> CompatProperty:
    names = ("driver", "property", "value")
    if not isinstance(value, dict) or set(value) != set(names):
        raise Invalid("An entry has driver, property and value.", field=key)
    return CompatProperty(*(_value(value[name], str, key) for name in names))


def _day(value: Any, key: str) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise Invalid("It is a day: 2026-12-24.", field=key) from error


# --- Making ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one operation: ``problem`` says why it could not be made, and is None where
    it could; ``changes`` whether it made a difference."""

    operation: Operation
    problem: Problem | None
    changes: bool


@dataclass(frozen=True, slots=True)
class Run:
    """A policy with every operation made that could be, and what became of each."""

    policy: Policy
    rows: tuple[Row, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of all that could not be made."""
        return tuple(row.problem for row in self.rows if row.problem is not None)


def run(policy: Policy, operations: Sequence[Operation]) -> Run:
    """Make operations of a policy in their order, each of what those before it left.

    Nothing is written: this is what a preview shows. One that cannot be made changes nothing, and
    those after it are still tried, so that every fault is told at once. Raises Invalid where they
    take too long together.
    """
    until = time.thread_time() + MAX_SECONDS
    found = _made(policy, operations, lambda after: after, until)
    try:
        return replace(found, policy=drafts.checked(found.policy))
    except Invalid:
        # Reading the document back is slow, so it is done after each only to find out which of
        # them brought something that no document holds.
        return _made(policy, operations, drafts.checked, until)


def _made(
    policy: Policy,
    operations: Sequence[Operation],
    checked: Callable[[Policy], Policy],
    until: float,
) -> Run:
    rows = []
    for index, operation in enumerate(operations):
        if time.thread_time() > until:
            raise Invalid(
                f"They take too long: {index} of {len(operations)} were tried. Send fewer at once.",
                field="operations",
            )
        try:
            after = checked(operation.alter(policy))
        except Invalid as error:
            rows.append(Row(operation, Problem(index, error.field, str(error)), changes=False))
        else:
            rows.append(Row(operation, None, after != policy))
            policy = after
    return Run(policy, tuple(rows))


def apply(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    operations: Sequence[Operation],
    settled: drafts.Settled | None = None,
) -> ChangeRequest:
    """Make operations of a draft as one edit, all or none.

    Raises :class:`Refused` with every operation that cannot be made, and what every edit raises.
    """
    names = {operation.recorded_as for operation in operations}

    def alter(policy: Policy) -> Policy:
        found = run(policy, operations)
        if found.problems:
            raise Refused(found.problems, len(found.rows))
        return found.policy

    action = names.pop() if len(names) == 1 else SEVERAL
    return drafts.rewrite(change, actor, expected_version, action, alter, settled)
