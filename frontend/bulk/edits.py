"""Actions that become edits of one change request: properties of machine types, bits of devices."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from frontend.bulk.forms import (
    ClearForm,
    EntryForm,
    NamedEntryForm,
    OverrideForm,
    TargetForm,
)
from frontend.bulk.tasks import BulkAction, Done, DryRun, Outcome, Task
from frontend.scope import Scope
from policy import edits
from policy.document import Policy
from policy.edits import machine_types, opening, operations, overrides
from policy.edits.operation import Operation
from policy.models import ChangeRequest

#: A row's operations; a row without any is at fault, and says why.
Operations = Sequence[Operation] | str


class EditAction(BulkAction):
    """All rows' operations are made of one draft as one edit: of an open change request, or of a
    new one that is opened for them.
    """

    form_class: type[TargetForm]

    def form(self, task: Task, sent: Any) -> forms.Form:
        return self.form_class(sent, task=task)

    @abstractmethod
    def operations(self, task: Task, row: Any) -> Operations:
        """What is to be made of the draft for one row."""

    @abstractmethod
    def words(self, operation: Any) -> str:
        """What one operation does, in words."""

    def try_out(self, task: Task) -> DryRun:
        asked = [(row, self.operations(task, row)) for row in task.rows]
        made = [operation for _row, found in asked if not isinstance(found, str)
                for operation in found]  # fmt: skip
        results = iter(operations.run(_policy(task), made).rows)
        outcomes: list[Outcome] = []
        for row, found in asked:
            key, called = task.kind.key(row), task.kind.called(row)
            if isinstance(found, str):
                outcomes.append(Outcome(key, called, "", found))
                continue
            for operation, result in zip(found, results, strict=False):
                problem = result.problem.message if result.problem else ""
                words = self.words(operation)
                outcomes.append(Outcome(key, called, words, problem, result.changes))
        into: ChangeRequest | None = task.data["into"]
        return DryRun(tuple(outcomes), into.lock_version if into is not None else None)

    def do(self, task: Task) -> Done:
        made = [operation for row in task.rows for operation in self._of(task, row)]
        with transaction.atomic():
            change = _target(task)
            # What was tried is what is meant: others' edits since are merged, or asked about.
            change = operations.apply(change, task.user, task.seen or change.lock_version, made)
        words = ngettext("%(n)d edit is in #%(change)d.", "%(n)d edits are in #%(change)d.",
                         len(made))  # fmt: skip
        return Done(words % {"n": len(made), "change": change.pk},
                    reverse("change", args=[change.pk]))  # fmt: skip

    def _of(self, task: Task, row: Any) -> Iterable[Operation]:
        found = self.operations(task, row)
        return () if isinstance(found, str) else found


def _scope(task: Task) -> Scope:
    assert task.scope is not None  # noqa: S101 - lists of a release's parts always have one
    return task.scope


def _policy(task: Task) -> Policy:
    """The draft that the edits go into, or the one that a new change request would begin with."""
    into: ChangeRequest | None = task.data["into"]
    return into.policy if into is not None else opening.beginning(_scope(task).release)


def _target(task: Task) -> ChangeRequest:
    into: ChangeRequest | None = task.data["into"]
    if into is not None:
        return into
    return edits.open_change(_scope(task).release, task.user, task.data["title"])


# --- Properties of machine types ------------------------------------------------------------------


class AddEntry(EditAction):
    """The same entry is added to machine types, at the end of their own."""

    title = _("Add a property")
    verb = _("Add")
    intro = _(
        "The entry is added at the end of each machine type’s own entries. Whatever goes on from "
        "one of them takes it from there as well."
    )
    form_class = EntryForm

    def operations(self, task: Task, row: Any) -> Operations:
        data = task.data
        entry = machine_types.AddEntry(row.name, data["driver"], data["property"], data["value"])
        return (entry,)

    def words(self, operation: Any) -> str:
        return f"+ {operation.driver}.{operation.property}={operation.value}"


class ChangeEntry(EditAction):
    """A property that machine types set themselves gets another value."""

    title = _("Change a property")
    verb = _("Change")
    intro = _("The entry that each machine type has of its own gets the value.")
    form_class = EntryForm

    def operations(self, task: Task, row: Any) -> Operations:
        data = task.data
        changed = machine_types.ChangeEntry(
            row.name, data["value"], driver=data["driver"], property=data["property"]
        )
        return (changed,)

    def words(self, operation: Any) -> str:
        return f"{operation.driver}.{operation.property} → {operation.value}"


class RemoveEntry(EditAction):
    """A property that machine types set themselves is no longer set."""

    title = _("Remove a property")
    verb = _("Remove")
    intro = _("The entry that each machine type has of its own goes; what it goes on from stays.")
    form_class = NamedEntryForm

    def operations(self, task: Task, row: Any) -> Operations:
        data = task.data
        removed = machine_types.RemoveEntry(
            row.name, driver=data["driver"], property=data["property"]
        )
        return (removed,)

    def words(self, operation: Any) -> str:
        return f"− {operation.driver}.{operation.property}"


# --- Bits of devices ------------------------------------------------------------------------------


class _SectionAction(EditAction):
    """An action on the sections of device types."""

    def operations(self, task: Task, row: Any) -> Operations:
        paths = _sections(row, task.data["sections"], task.data["named"])
        if not paths:
            return str(_("It has no such section."))
        return tuple(self.operation(task.data, row.name, path) for path in paths)

    @abstractmethod
    def operation(self, data: dict[str, Any], device: str, path: str) -> Operation:
        """The operation for one section."""


def _sections(row: Any, which: str, named: str) -> Sequence[str]:
    """The paths of a device's sections: its main one, all, or those with a word in their name."""
    paths: Sequence[str] = row.sections
    return {
        "main": paths[:1],
        "all": paths,
        "named": [path for path in paths if named and named in path],
    }[which]


class SetOverride(_SectionAction):
    """A version of device types' sections is relaxed or tightened."""

    title = _("Relax or tighten a version")
    verb = _("Override")
    intro = _(
        "The bit of this version is set against its default in each section, with one reason."
    )
    form_class = OverrideForm

    def operation(self, data: dict[str, Any], device: str, path: str) -> Operation:
        return overrides.SetOverride(
            device, path, data["version"], data["action"], data["justification"],
            data["machine_type"],
        )  # fmt: skip

    def words(self, operation: Any) -> str:
        return f"{operation.action} {operation.section} v{operation.version}"


class ClearOverride(_SectionAction):
    """A version of device types' sections goes back to its default."""

    title = _("Clear overrides")
    verb = _("Clear")
    intro = _("The bit of this version is what the rules compute again, in each section.")
    form_class = ClearForm

    def operation(self, data: dict[str, Any], device: str, path: str) -> Operation:
        return overrides.ClearOverride(device, path, data["version"], data["machine_type"])

    def words(self, operation: Any) -> str:
        return f"{operation.section} v{operation.version}: default"
