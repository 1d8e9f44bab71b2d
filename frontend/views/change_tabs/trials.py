"""The tab of trials: those that the draft requires, and what it declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from frontend.forms.changes import WaiverForm
from frontend.views.change_tabs.declaring import devices_form, migration_form
from frontend.views.change_tabs.waivers import waivers_of
from machines.catalogue import NoCatalogue
from policy import checking, state, trials, workflow
from policy.checking import CheckedTrial
from policy.differences import Difference
from policy.errors import PolicyError
from policy.models import ChangeRequest, Trial
from policy.rules import RequiredTrial
from policy.trials import Requirement
from workers import jobs
from workers.models import Job

#: Required trials that are listed at once: the page asks for them again while they run.
MAX_TRIALS = 100


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A required trial, and the outcome that the same pair had before with other inputs."""

    checked: CheckedTrial
    before: Trial | None

    @property
    def requirement(self) -> Requirement:
        return self.checked.requirement

    @property
    def shown_outcome(self) -> str:
        trial = self.requirement.trial
        if trial is not None and trial.state == Trial.State.DONE:
            return str(trial.outcome)
        return str(self.requirement.verdict)


def trials_tab(change: ChangeRequest, request: HttpRequest) -> dict[str, Any]:
    """The required trials, and the job that runs them while there is one."""
    problem = ""
    try:
        required = trials.required(change)
        baseline = trials.requirements_of(state.baseline(change))
    except (NoCatalogue, PolicyError) as error:
        required, baseline, problem = [], [], str(error)
    asked = jobs.open_jobs_of(change).first()
    job = asked or jobs.jobs_of(change).first()
    verdicts = [item.verdict for item in required]
    checked = checking.checked(change.policy, required, checking.today())
    outcomes = [item.outcome for item in checked]
    rows = _rows(_shown_trials(checked, request), baseline)
    waited_for = job if job and job.is_open and {"not-run", "running"} & {*verdicts} else None
    return {
        "rows": rows,
        "hidden_trials": len(checked) - len(rows),
        "has_before": any(row.before for row in rows),
        "problem": problem,
        "job": job,
        # Another change's job may have run the same trials: then nothing is waited for here.
        "open_job": waited_for,
        "progress": jobs.progress_of(waited_for) if waited_for else None,
        "trial_count": len(required),
        "missing": sum(_is_missing(item, asked) for item in required),
        "queued": sum(
            item.verdict in {"not-run", "running"} and not _is_missing(item, asked)
            for item in required
        ),
        "passed": outcomes.count("passed"),
        "waived": outcomes.count("waived"),
        "differing": outcomes.count("differs"),
        "may_run": "run-trials" in _available(change, request),
    }


def _shown_trials(checked: list[CheckedTrial], request: HttpRequest) -> list[CheckedTrial]:
    """Those that need a look first, the rest up to a number; ``?all=trials`` shows every one."""
    if request.GET.get("all") == "trials" or len(checked) <= MAX_TRIALS:
        return checked
    order = ("differs", "could-not-run", "running", "not-run", "waived", "passed")
    return sorted(checked, key=lambda item: order.index(item.outcome))[:MAX_TRIALS]


def _is_missing(item: Requirement, asked: Job | None) -> bool:
    """Nobody has asked for this trial yet, it could not run, or the job that had it was cancelled.

    ``asked`` is an open job of the change request, if there is one.
    """
    if item.trial is None or item.trial.state == Trial.State.FAILED:
        return True
    return asked is None and item.trial.state == Trial.State.QUEUED


def _available(change: ChangeRequest, request: HttpRequest) -> frozenset[str]:
    return workflow.available(change, request.user)


def _rows(checked: list[CheckedTrial], baseline: list[Requirement]) -> list[TrialRow]:
    """Each with the trial of what the change starts from, else the newest of the same pair."""
    required = [item.requirement for item in checked]
    current = {item.trial.pk for item in required if item.trial is not None}
    earlier: dict[tuple[str, str, str], Trial] = {}
    names = {item.required.machine_type for item in required}
    done = (
        Trial.objects.filter(state=Trial.State.DONE, machine_type__in=names)
        .exclude(pk__in=current)
        .select_related("source__tree", "destination__tree")
        .defer("inputs", "result")
        .order_by("pk")
    )
    started = {item.key for item in baseline}
    for trial in sorted(done, key=lambda trial: trial.key in started):
        earlier[trial.source.label, trial.destination.label, trial.machine_type] = trial
    return [TrialRow(item, earlier.get(_pair(item.requirement.required))) for item in checked]


def _pair(required: RequiredTrial) -> tuple[str, str, str]:
    return required.source, required.destination, required.machine_type


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
