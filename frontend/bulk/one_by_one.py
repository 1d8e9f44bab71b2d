"""Actions of which each row is done by itself, by the rules that one alone is done by."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from frontend.bulk.tasks import BulkAction, Done, DryRun, Outcome, Task
from policy.errors import Invalid, PolicyError
from policy.models import ChangeRequest, Trial
from policy.review import workflow
from policy.trials import retrying
from workers import jobs

#: How long a processor may be busy with the rows, in seconds: meanwhile others wait to write.
MAX_SECONDS = 15.0


def _in_time(rows: Sequence[Any]) -> Iterator[Any]:
    """The rows, one after the other. Raises Invalid where they take too long together."""
    until = time.thread_time() + MAX_SECONDS
    for number, row in enumerate(rows):
        if time.thread_time() > until:
            words = _("They take too long: choose about %(n)d rows at once.") % {
                "n": max(number, 1)
            }
            raise Invalid(words)
        yield row


class OneByOne(BulkAction):
    """An action whose dry run does it and takes it back: nothing is judged twice, or otherwise."""

    def form(self, task: Task, sent: Any) -> forms.Form:
        return forms.Form(sent)

    def try_out(self, task: Task) -> DryRun:
        return DryRun(tuple(self._tried(task, row) for row in _in_time(task.rows)))

    def do(self, task: Task) -> Done:
        with transaction.atomic():
            for row in _in_time(task.rows):
                self.each(task, row)
        return Done(self.done(len(task.rows)))

    def _tried(self, task: Task, row: Any) -> Outcome:
        key, called = task.kind.key(row), task.kind.called(row)
        try:
            with transaction.atomic():
                words = self.each(task, row)
                transaction.set_rollback(True)
        except PolicyError as error:
            return Outcome(key, called, "", str(error))
        return Outcome(key, called, words)

    @abstractmethod
    def each(self, task: Task, row: Any) -> str:
        """Do it with one row; returns what becomes of it. Raises PolicyError."""

    @abstractmethod
    def done(self, number: int) -> str:
        """What was done, in words."""


class Submit(OneByOne):
    """Change requests are sent to review."""

    title = gettext_lazy("Ask for review")
    verb = gettext_lazy("Ask for review")
    intro = gettext_lazy("Each is sent to its tree’s reviewers, and the trials it lacks are run.")

    def each(self, task: Task, row: ChangeRequest) -> str:
        before = row.get_status_display()
        after = workflow.submit(row, task.user).get_status_display()
        return f"{before} → {after}"

    def done(self, number: int) -> str:
        words = ngettext("%(n)d change is in review.", "%(n)d changes are in review.", number)
        return words % {"n": number}


class Withdraw(OneByOne):
    """Change requests are given up."""

    title = gettext_lazy("Withdraw")
    verb = gettext_lazy("Withdraw")
    intro = gettext_lazy("A change request that is withdrawn cannot be opened again.")

    def each(self, task: Task, row: ChangeRequest) -> str:
        before = row.get_status_display()
        after = workflow.withdraw(row, task.user).get_status_display()
        return f"{before} → {after}"

    def done(self, number: int) -> str:
        words = ngettext("%(n)d change is withdrawn.", "%(n)d changes are withdrawn.", number)
        return words % {"n": number}


class RunAgain(OneByOne):
    """Trials that could not run are run again."""

    title = gettext_lazy("Run trials again")
    verb = gettext_lazy("Run again")
    intro = gettext_lazy(
        "A trial that ended has its outcome for good: the same inputs always end the same. Those "
        "that could not run are tried again."
    )

    def each(self, task: Task, row: Trial) -> str:
        before = row.get_state_display()
        retrying.run_again(row, task.user)
        return f"{before} → {_('waiting')}"

    def do(self, task: Task) -> Done:
        with transaction.atomic():
            done = super().do(task)
            jobs.enqueue_again(task.rows, task.user)
        return done

    def done(self, number: int) -> str:
        words = ngettext("%(n)d trial is run again.", "%(n)d trials are run again.", number)
        return words % {"n": number}
