"""The tab of trials: those that the draft requires, before and after, and what it declares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Max
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from frontend.forms.changes import WaiverForm
from frontend.views.change_tabs.declaring import devices_form, migration_form
from frontend.views.change_tabs.waivers import waivers_of
from machines.catalogue import NoCatalogue
from policy import state, trials
from policy.document.differences import Difference
from policy.errors import PolicyError
from policy.models import ChangeRequest, Trial
from policy.review import checking, workflow
from policy.review.checking import CheckedTrial
from policy.rules import RequiredTrial
from policy.trials import Requirement
from workers import jobs
from workers.models import Job

#: Required trials of one page: the page asks for them again while they run.
PAGE_SIZE = 60

#: (source, destination, machine type)
Pair = tuple[str, str, str]
#: In the order in which they need a look, once what has changed stands first.
_ORDER = ("differs", "could-not-run", "running", "not-run", "waived", "passed")


@dataclass(frozen=True, slots=True)
class Before:
    """The trial of the same pair as it was before the change."""

    pk: int
    outcome: str


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A required trial, and what the same pair's trial found before, with other inputs or these."""

    checked: CheckedTrial
    before: Before | None

    @property
    def requirement(self) -> Requirement:
        return self.checked.requirement

    @property
    def shown_outcome(self) -> str:
        trial = self.requirement.trial
        if trial is not None and trial.state == Trial.State.DONE:
            return str(trial.outcome)
        return str(self.requirement.verdict)

    @property
    def is_changed(self) -> bool:
        """Does the change make it end otherwise?"""
        return self.before is not None and self.before.outcome != self.shown_outcome

    @property
    def is_same(self) -> bool:
        """Is it the very trial that was held before?"""
        trial = self.requirement.trial
        return self.before is not None and trial is not None and self.before.pk == trial.pk


@dataclass(frozen=True, slots=True)
class Choice:
    """A selection of the rows: its name in the address, in words, and how many it holds."""

    name: str
    word: str | Promise
    count: int


def trials_tab(change: ChangeRequest, request: HttpRequest) -> dict[str, Any]:
    """The required trials, and the job that runs them while there is one."""
    problem = ""
    try:
        required = trials.required(change)
        before = state.baseline(change)
        baseline = trials.requirements_of(before) if before.migrations else []
    except (NoCatalogue, PolicyError) as error:
        required, baseline, problem = [], [], str(error)
    checked = checking.checked(change.policy, required, checking.today())
    progress = _progress(change, required)
    rows = _rows(checked, baseline)
    # While they run the rows stay where they are.
    rows = rows if progress["open_job"] else _sorted(rows)
    return {
        **_shown(rows, request),
        **progress,
        "problem": problem,
        "trial_count": len(required),
        "passed": sum(item.outcome == "passed" for item in checked),
        "waived": sum(item.outcome == "waived" for item in checked),
        "differing": sum(item.outcome == "differs" for item in checked),
        "may_run": "run-trials" in workflow.available(change, request.user),
    }


def _progress(change: ChangeRequest, required: Sequence[Requirement]) -> dict[str, Any]:
    """What is still to be run, and the job that is at it."""
    job = jobs.latest_of(change)
    asked = job if job and job.is_open else None
    ahead = [item for item in required if item.verdict in {"not-run", "running"}]
    # Another change's job may have run the same trials: then nothing is waited for here.
    waited_for = job if job and job.is_open and ahead else None
    return {
        "job": job,
        "open_job": waited_for,
        "progress": jobs.progress_of(waited_for) if waited_for else None,
        "missing": sum(_is_missing(item, asked) for item in required),
        "queued": sum(not _is_missing(item, asked) for item in ahead),
    }


def _is_missing(item: Requirement, asked: Job | None) -> bool:
    """Nobody has asked for this trial yet, it could not run, or the job that had it was cancelled.

    ``asked`` is an open job of the change request, if there is one.
    """
    if item.trial is None or item.trial.state == Trial.State.FAILED:
        return True
    return asked is None and item.trial.state == Trial.State.QUEUED


# --- Rows -----------------------------------------------------------------------------------------


def _rows(checked: Iterable[CheckedTrial], baseline: Iterable[Requirement]) -> list[TrialRow]:
    """Each with the trial of what the change starts from, else the newest of the same pair."""
    checked = list(checked)
    started = {
        _pair(item.required): Before(item.trial.pk, item.trial.outcome)
        for item in baseline
        if item.trial is not None and item.trial.state == Trial.State.DONE
    }
    unknown = [item for item in checked if _pair(item.requirement.required) not in started]
    before = {**_newest(unknown), **started}
    return [TrialRow(item, before.get(_pair(item.requirement.required))) for item in checked]


def _newest(checked: Sequence[CheckedTrial]) -> dict[Pair, Before]:
    """The newest other trial of each of these pairs that is done."""
    if not checked:
        return {}
    present = [item.requirement.trial for item in checked if item.requirement.trial is not None]
    wanted = [item.requirement.required for item in checked]
    labels = {release.pk: release.label for release in state.releases()}
    sources, destinations = {item.source for item in wanted}, {item.destination for item in wanted}
    done = (
        Trial.objects.filter(
            state=Trial.State.DONE,
            varies=None,
            source__in=[pk for pk, label in labels.items() if label in sources],
            destination__in=[pk for pk, label in labels.items() if label in destinations],
            machine_type__in={item.machine_type for item in wanted},
        )
        .exclude(pk__in=[trial.pk for trial in present])
        .order_by()
        .values("source", "destination", "machine_type")
        .annotate(newest=Max("pk"))
    )
    # There are thousands: rows without objects.
    rows = Trial.objects.filter(pk__in=done.values("newest")).order_by()
    return {
        (labels[source], labels[destination], machine_type): Before(pk, outcome)
        for pk, outcome, source, destination, machine_type in rows.values_list(
            "pk", "outcome", "source", "destination", "machine_type"
        )
    }


def _pair(required: RequiredTrial) -> Pair:
    return required.source, required.destination, required.machine_type


def _sorted(rows: Iterable[TrialRow]) -> list[TrialRow]:
    """What ends otherwise than before stands first, then what needs a look."""
    return sorted(rows, key=lambda row: (not row.is_changed, _ORDER.index(row.checked.outcome)))


def _shown(rows: Sequence[TrialRow], request: HttpRequest) -> dict[str, Any]:
    """The page of rows that the address asks for: ``show`` (a choice), ``q`` (words), ``page``."""
    selected = {
        "": list(rows),
        "changed": [row for row in rows if row.is_changed],
        "differs": [row for row in rows if row.checked.outcome in {"differs", "could-not-run"}],
        "waiting": [row for row in rows if row.checked.outcome in {"running", "not-run"}],
        "waived": [row for row in rows if row.checked.outcome == "waived"],
        "passed": [row for row in rows if row.checked.outcome == "passed"],
    }
    words = request.GET.get("q", "").strip()
    show = request.GET.get("show", "")
    wanted = selected.get(show, selected[""])
    fitting = [row for row in wanted if words.lower() in " ".join(_pair(row.requirement.required))]
    return {
        "page": Paginator(fitting, PAGE_SIZE).get_page(request.GET.get("page")),
        "choices": [
            Choice(name, _CHOICES[name], len(found))
            for name, found in selected.items()
            if found or name == show
        ],
        "show": show if show in selected else "",
        "q": words,
        "has_before": any(row.before for row in rows),
    }


_CHOICES: dict[str, str | Promise] = {
    "": _("all"),
    "changed": _("changed by this draft"),
    "differs": _("not as promised"),
    "waiting": _("to run"),
    "waived": _("waived"),
    "passed": _("as promised"),
}


def context(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    return {
        **trials_tab(change, request),
        "waivers": [item for item in waivers_of(change) if not item.waiver.finding],
        "waiver_form": WaiverForm(initial={"lock_version": change.lock_version}),
        "migrations": list(enumerate(change.policy.migrations)),
        "migration_form": migration_form(change),
        "devices_form": devices_form(change),
    }
