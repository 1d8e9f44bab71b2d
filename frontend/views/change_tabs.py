"""What the tabs of a change request's page show."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any, Literal

from django.db.models import Count
from django.http import HttpRequest
from django.utils.translation import gettext as _

from frontend.forms.changes import (
    DevicesForm,
    FindingWaiverForm,
    MigrationForm,
    MitigationForm,
    SaidForm,
    WaiverForm,
)
from frontend.numbers import number_of
from machines.catalogue import NoCatalogue
from machines.emulator.catalogue import CompatProperty
from machines.models import Release
from policy import (
    checking,
    differences,
    discussion,
    examining,
    history,
    rules,
    state,
    trials,
    workflow,
)
from policy.blockers import Blocker
from policy.checking import CheckedTrial
from policy.differences import Difference
from policy.document import Policy, Waiver, digest
from policy.errors import Invalid, PolicyError
from policy.examining import CheckedFinding
from policy.exporters import ExportError
from policy.exporters import globals as arguments
from policy.models import ChangeRequest, Review, Thread, Trial
from policy.permissions import may
from policy.rules import RequiredTrial
from policy.trials import Requirement
from workers import jobs
from workers.models import Job

TABS = ("changes", "findings", "trials", "discussion", "history", "bundle")
#: Differences of one group that are shown at once; a first policy has thousands.
MAX_SHOWN = 60
MAX_DIFF_LINES = 400
MAX_CHECKS = 4
#: Required trials that are listed at once: the page asks for them again while they run.
MAX_TRIALS = 100
#: States that the list to compare with offers; the page "History" has all.
MAX_STATES = 30


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the difference, by its ``anchor``; ``threads`` are those that are about it."""

    difference: Difference
    anchor: str
    threads: list[Thread]


@dataclass(frozen=True, slots=True)
class Group:
    """The differences of one part of the policy; ``hidden`` of the ``total`` are left out."""

    name: str
    lines: list[Line]
    total: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Check:
    """A condition of publishing: met, open, or broken."""

    state: Literal["met", "open", "broken"]
    text: str
    #: Where one sees more of it: a tab of the page.
    tab: str = ""

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
    threads = discussion.threads(change, request.user)
    return {
        "may_edit": may_edit,
        "seed": _seed(before) if change.base_revision is None else None,
        "difference_count": len(found),
        "review_count": change.reviews.count() + len(threads),
        "threads": threads,
        "draft_count": discussion.drafts_of(change, request.user).count(),
        "state_count": change.states.count(),
        "overlaps": history.overlaps(change),
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


#: Where a page tells more of what is missing.
_TABS_OF = {"threads": "discussion", "findings": "findings", "trials": "trials"}
#: What only has to happen yet; everything else that is missing is wrong.
_OPEN = ("approval", "threads")


def checklist(blockers: tuple[Blocker, ...]) -> list[Check]:
    """What publishing needs, in one order: what is met, and each blocker where it is not."""
    met = {
        "approval": _("The present content is approved."),
        "objection": _("Nobody objects to it."),
        "threads": _("No thread is open."),
        "outdated": _("It is made from the newest revision."),
        "findings": _("No finding is in the way."),
        "trials": _("No required trial is in the way."),
    }
    checks = []
    for code, text in met.items():
        texts = [item.text for item in blockers if item.code == code]
        if code == "findings" and len(texts) > 1:
            # Each is a paragraph: their tab has them.
            texts = [_("%(count)d findings are in the way.") % {"count": len(texts)}]
        state_: Literal["open", "broken"] = "open" if code in _OPEN else "broken"
        checks += [Check(state_, item, _TABS_OF.get(code, "")) for item in texts[:MAX_CHECKS]]
        if len(texts) > MAX_CHECKS:
            more = len(texts) - MAX_CHECKS
            words = _("and %(count)d more") % {"count": more}
            checks.append(Check(state_, words, _TABS_OF.get(code, "")))
        if not texts:
            checks.append(Check("met", text))
    known = {*met, "status"}
    return checks + [Check("broken", item.text) for item in blockers if item.code not in known]


def seen_version(request: HttpRequest, change: ChangeRequest) -> int:
    """The version of the draft that the person saw, as their form says."""
    # Without a version the edit is refused as a conflict, never applied blindly.
    return number_of(request.POST.get("lock_version", "")) or 0


# --- Changes --------------------------------------------------------------------------------------


def anchor_of(group: str, label: str) -> str:
    """A line of the difference, as addresses and forms name it."""
    return digest([group, label])[:12]


def line_of(change: ChangeRequest, anchor: str) -> Difference | None:
    """The line of the present difference that an anchor names."""
    found = differences.compare(state.baseline(change), change.policy)
    return next((item for item in found if anchor_of(item.group, item.label) == anchor), None)


@dataclass(frozen=True, slots=True)
class Compared:
    """Which two states the page compares, where they are not what it starts from and now."""

    first: str
    second: str
    problem: str = ""


def _compared(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> tuple[Compared | None, tuple[Difference, ...]]:
    first = request.GET.get("from") or history.BASE
    second = request.GET.get("to") or history.NOW
    if (first, second) == (history.BASE, history.NOW):
        return None, found
    try:
        between = history.between(change, first, second, request.user)
    except Invalid as error:
        return Compared(history.BASE, history.NOW, str(error)), found
    return Compared(first, second), between


def _changes(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    compared, shown = _compared(change, request, found)
    about: dict[tuple[str, str], list[Thread]] = {}
    for thread in discussion.threads(change, request.user):
        about.setdefault((thread.group, thread.label), []).append(thread)
    policy = change.policy
    vote = history.last_vote(change, request.user)
    return {
        **_backports(change),
        "groups": groups_of(shown, about, request.GET.get("all", "")),
        "compared": compared,
        # Not offered where nothing has changed since.
        "reviewed": vote if vote is not None and vote.digest != change.digest else None,
        "states": history.states(change)[:MAX_STATES],
        "asked": request.GET.get("ask", ""),
        "ask_form": SaidForm(),
        "mitigations": list(enumerate(policy.mitigations)),
        "mitigation_form": mitigation_form(change),
    }


def _backports(change: ChangeRequest) -> dict[str, Any]:
    """The draft's backports with what follows from each."""
    # One that is closed is compared as its release: nobody chooses it any more.
    end = f"change-{change.pk}" if change.is_open else change.release.label
    try:
        taken = examining.backports_of(change.policy, change.release)
    except NoCatalogue as error:
        return {"backports": (), "backport_problem": str(error)}
    return {"backports": taken, "end": end}


def groups_of(
    found: Iterable[Difference], about: dict[tuple[str, str], list[Thread]], whole: str
) -> list[Group]:
    """Differences in their groups, each line with its threads; ``whole`` names the group of which
    all is shown.
    """
    groups = []
    for name, members in groupby(found, key=lambda item: item.group):
        listed = list(members)
        lines = [
            Line(shown, anchor_of(name, item.label), about.get((name, item.label), []))
            for item, shown in zip(listed, _shortened(listed), strict=True)
        ]
        first = lines if name == whole else lines[:MAX_SHOWN]
        # A line that somebody asks about is never left out.
        first += [line for line in lines[len(first) :] if line.threads]
        groups.append(Group(name, first, len(lines), len(lines) - len(first)))
    return groups


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


# --- Findings -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """The findings of one severity."""

    name: str
    title: str
    meaning: str
    findings: list[CheckedFinding]


def _findings(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    try:
        checked = examining.findings_of(change)
    except NoCatalogue as error:
        return {"finding_groups": [], "finding_problem": str(error)}
    words = {
        "error": (_("Errors"), _("in the way of publishing until they are settled or waived")),
        "warning": (_("Warnings"), _("worth a look; nothing waits for them")),
        "note": (_("Notes"), _("what is known, and changes no migration")),
    }
    groups = [
        FindingGroup(name, *texts, [item for item in checked if item.finding.severity == name])
        for name, texts in words.items()
    ]
    return {
        "finding_groups": [group for group in groups if group.findings],
        "waivers": [item for item in waivers_of(change) if item.waiver.finding],
        "finding_form": FindingWaiverForm(),
    }


# --- Trials ---------------------------------------------------------------------------------------


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


def _trials(
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


@dataclass(frozen=True, slots=True)
class ShownWaiver:
    """A waiver of the draft, by its position, and whether it holds as things are."""

    position: int
    waiver: Waiver
    word: str


def waivers_of(change: ChangeRequest) -> list[ShownWaiver]:
    """The draft's waivers. One of what is not there any more is ``void``, too."""
    try:
        standings = [item.waived for item in checking.trials_of(change)]
        standings += [
            standing for item in examining.findings_of(change) for _, standing in item.waived
        ]
    except NoCatalogue:
        standings = []
    words = {standing.waiver: standing.word for standing in standings}
    return [
        ShownWaiver(position, item, words.get(item, "void"))
        for position, item in enumerate(change.policy.waivers)
    ]


# --- Discussion -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShownThread:
    """A thread, and what its line says now: None where the difference has no such line any more."""

    thread: Thread
    anchor: str
    now: Difference | None

    @property
    def is_outdated(self) -> bool:
        """Does the line say something else than when the thread was opened?"""
        line = self.thread.line
        if line is None:
            return False
        return self.now is None or asdict(self.now) != line


def _discussion(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    lines = {(item.group, item.label): item for item in found}
    shown = [
        ShownThread(
            thread, anchor_of(thread.group, thread.label), lines.get((thread.group, thread.label))
        )
        for thread in discussion.threads(change, request.user)
    ]
    return {
        "open_threads": [item for item in shown if item.thread.is_open],
        "resolved_threads": [item for item in shown if not item.thread.is_open],
        "ask_form": SaidForm(),
        "reviews": change.reviews.select_related("reviewer").annotate(
            comment_count=Count("comments")
        ),
    }


# --- History --------------------------------------------------------------------------------------


def _history(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    votes: dict[str, list[Review]] = {}
    for vote in change.reviews.exclude(verdict=Review.Verdict.COMMENT).select_related("reviewer"):
        votes.setdefault(vote.digest, []).append(vote)
    states = list(history.states(change))
    return {"states": [(item, votes.get(item.document_id, [])) for item in states]}


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
] = {
    "changes": _changes,
    "findings": _findings,
    "trials": _trials,
    "discussion": _discussion,
    "history": _history,
    "bundle": _bundle,
}
