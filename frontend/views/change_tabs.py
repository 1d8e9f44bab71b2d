"""What the tabs of a change request's page show."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext as _

from frontend.forms.changes import DevicesForm, MigrationForm, MitigationForm
from frontend.numbers import number_of
from machines.catalogue import NoCatalogue
from machines.emulator.catalogue import CompatProperty
from machines.models import Release
from policy import differences, rules, state, trials, workflow
from policy.blockers import Blocker
from policy.differences import Difference
from policy.document import Policy
from policy.errors import PolicyError
from policy.exporters import ExportError
from policy.exporters import globals as arguments
from policy.models import ChangeRequest, Trial
from policy.permissions import may
from policy.rules import RequiredTrial
from policy.trials import Requirement
from workers import jobs

TABS = ("changes", "trials", "discussion", "bundle")
#: Differences of one group that are shown at once; a first policy has thousands.
MAX_SHOWN = 60
MAX_DIFF_LINES = 400
MAX_CHECKS = 4


@dataclass(frozen=True, slots=True)
class Group:
    """The differences of one part of the policy; ``hidden`` of the ``total`` are left out."""

    name: str
    differences: list[Difference]
    total: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Check:
    """A condition of publishing: met, open, or broken."""

    state: Literal["met", "open", "broken"]
    text: str

    @property
    def symbol(self) -> str:
        return {"met": "✓", "open": "○", "broken": "✕"}[self.state]

    @property
    def word(self) -> str:
        return {"met": _("met"), "open": _("open"), "broken": _("not met")}[self.state]


def context(change: ChangeRequest, tab: str, request: HttpRequest) -> dict[str, Any]:
    """What the page needs for this tab, and the numbers on all of them."""
    before = state.baseline(change)
    found = differences.compare(before, change.policy)
    may_edit = change.is_editable and may(request.user, "edit", change.release.tree)
    return {
        "may_edit": may_edit,
        "seed": _seed(before) if change.base_revision is None else None,
        "difference_count": len(found),
        "review_count": change.reviews.count(),
        **_CONTEXTS[tab](change, request, found),
    }


@dataclass(frozen=True, slots=True)
class SeedSize:
    """How much of a first policy was there before anybody edited it."""

    machine_types: int
    entries: int


def _seed(policy: Policy) -> SeedSize:
    entries = sum(len(item.entries) for item in policy.machine_types)
    return SeedSize(len(policy.machine_types), entries)


def checklist(blockers: tuple[Blocker, ...]) -> list[Check]:
    """What publishing needs, in one order: what is met, and each blocker where it is not."""
    met = {
        "approval": _("The present content is approved."),
        "objection": _("Nobody objects to it."),
        "outdated": _("It is made from the newest revision."),
        "trials": _("Every required trial ended as promised."),
    }
    checks = []
    for code, text in met.items():
        texts = [item.text for item in blockers if item.code == code]
        state_: Literal["open", "broken"] = "open" if code == "approval" else "broken"
        checks += [Check(state_, item) for item in texts[:MAX_CHECKS]]
        if len(texts) > MAX_CHECKS:
            more = len(texts) - MAX_CHECKS
            checks.append(Check(state_, _("and %(count)d more") % {"count": more}))
        if not texts:
            checks.append(Check("met", text))
    known = {*met, "status"}
    return checks + [Check("broken", item.text) for item in blockers if item.code not in known]


def seen_version(request: HttpRequest, change: ChangeRequest) -> int:
    """The version of the draft that the person saw, as their form says."""
    # Without a version the edit is refused as a conflict, never applied blindly.
    return number_of(request.POST.get("lock_version", "")) or 0


# --- Changes --------------------------------------------------------------------------------------


def _changes(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    whole = request.GET.get("all", "")
    groups = []
    for name, members in groupby(found, key=lambda item: item.group):
        listed = _shortened(members)
        shown = listed if name == whole else listed[:MAX_SHOWN]
        groups.append(Group(name, shown, len(listed), len(listed) - len(shown)))
    policy = change.policy
    return {
        "groups": groups,
        "mitigations": list(enumerate(policy.mitigations)),
        "mitigation_form": mitigation_form(change),
    }


def _shortened(members: Iterable[Difference]) -> list[Difference]:
    """Differences of one thing after another name it once: ``D: commit`` becomes ``… commit``."""
    shown: list[Difference] = []
    thing = ""
    for item in members:
        if thing and item.label.startswith(f"{thing}: "):
            shown.append(replace(item, label=f"… {item.label.removeprefix(f'{thing}: ')}"))
        else:
            thing = item.label
            shown.append(item)
    return shown


def _labels(change: ChangeRequest) -> list[str]:
    """The releases that a declaration may name, this tree's first."""
    releases = Release.objects.select_related("tree")
    own = [item.label for item in releases if item.tree_id == change.release.tree_id]
    return own + [item.label for item in releases if item.label not in own]


def mitigation_form(change: ChangeRequest, data: Any = None) -> MitigationForm:
    initial = {"lock_version": change.lock_version}
    return MitigationForm(data, initial=initial, policy=change.policy, labels=_labels(change))


def migration_form(change: ChangeRequest, data: Any = None) -> MigrationForm:
    initial = {
        "lock_version": change.lock_version,
        "source": change.release.label,
        "destination": change.release.label,
    }
    return MigrationForm(data, initial=initial, policy=change.policy, labels=_labels(change))


def devices_form(change: ChangeRequest, data: Any = None) -> DevicesForm:
    names = "\n".join(change.policy.devices)
    return DevicesForm(data, initial={"lock_version": change.lock_version, "devices": names})


# --- Trials ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A required trial, and the outcome that the same pair had before with other inputs."""

    requirement: Requirement
    before: Trial | None

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
    job = jobs.jobs_of(change).first()
    verdicts = [item.verdict for item in required]
    rows = _rows(required, baseline)
    return {
        "rows": rows,
        "has_before": any(row.before for row in rows),
        "problem": problem,
        "job": job,
        # Another change's job may have run the same trials: then nothing is waited for here.
        "open_job": job if job and job.is_open and {"not-run", "running"} & {*verdicts} else None,
        "trial_count": len(required),
        "missing": sum(_is_missing(item) for item in required),
        "queued": sum(
            item.verdict in {"not-run", "running"} and item.trial is not None for item in required
        ),
        "passed": verdicts.count("passed"),
        "differing": verdicts.count("differs"),
        "may_run": "run-trials" in _available(change, request),
    }


def _is_missing(item: Requirement) -> bool:
    """Nobody has asked for this trial yet, or it could not run and may be asked for again."""
    return item.trial is None or item.trial.state == Trial.State.FAILED


def _available(change: ChangeRequest, request: HttpRequest) -> frozenset[str]:
    return workflow.available(change, request.user)


def _rows(required: list[Requirement], baseline: list[Requirement]) -> list[TrialRow]:
    """Each with the trial of what the change starts from, else the newest of the same pair."""
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
    return [TrialRow(item, earlier.get(_pair(item.required))) for item in required]


def _pair(required: RequiredTrial) -> tuple[str, str, str]:
    return required.source, required.destination, required.machine_type


def _trials(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    return {
        **trials_tab(change, request),
        "migrations": list(enumerate(change.policy.migrations)),
        "migration_form": migration_form(change),
        "devices_form": devices_form(change),
    }


# --- Discussion -----------------------------------------------------------------------------------


def _discussion(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    return {"reviews": change.reviews.select_related("reviewer")}


# --- Bundle ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a text difference; ``kind`` is added, removed, place or same."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ExportDifference:
    """What changes in one machine type's exported property set."""

    machine_type: str
    lines: list[DiffLine]
    added: int
    removed: int
    hidden: int


def _bundle(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    try:
        before, after = _exported_before(change), _exported(change.policy)
    except (NoCatalogue, PolicyError, ExportError) as error:
        return {"exports": [], "unchanged": 0, "problem": str(error)}
    names = [item.name for item in change.policy.machine_types]
    names += [name for name in before if name not in names]
    exports = [
        text_difference(name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    ]
    return {"exports": exports, "unchanged": len(names) - len(exports)}


def _exported_before(change: ChangeRequest) -> dict[str, str]:
    """Each machine type's ``globals.args`` in what the change starts from."""
    if change.base_revision is None:
        return _exported(state.baseline(change))
    derived = json.loads(change.base_revision.content)["derived"]
    return {
        name: arguments.export(
            name,
            [CompatProperty(item["driver"], item["property"], item["value"]) for item in listed],
        )
        for name, listed in derived.get("properties", {}).items()
    }


def _exported(policy: Policy) -> dict[str, str]:
    """Each machine type's ``globals.args`` as this policy would export it."""
    found = state.of_policy(policy)
    return {
        item.name: arguments.export(
            item.name, rules.resolved_properties(policy, found.catalogue, item.name)
        )
        for item in policy.machine_types
    }


def text_difference(name: str, before: str, after: str) -> ExportDifference:
    """A unified difference of two texts, cut where it is long."""
    compared = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    )[2:]
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = [
        DiffLine(kinds.get(line[:1], "same"), line if line[:1] == "@" else f"{line[:1]} {line[1:]}")
        for line in compared
    ]
    return ExportDifference(
        name,
        lines[:MAX_DIFF_LINES],
        sum(line.kind == "added" for line in lines),
        sum(line.kind == "removed" for line in lines),
        len(lines[MAX_DIFF_LINES:]),
    )


_CONTEXTS: dict[
    str, Callable[[ChangeRequest, HttpRequest, tuple[Difference, ...]], dict[str, Any]]
] = {"changes": _changes, "trials": _trials, "discussion": _discussion, "bundle": _bundle}
