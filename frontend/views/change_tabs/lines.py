"""The tab of changes: the difference line by line, and what is said about its lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from django.http import HttpRequest

from frontend.forms.changes import SaidForm
from frontend.views.change_tabs.declaring import mitigation_form
from machines.catalogue import NoCatalogue
from policy import differences, discussion, examining, history, state
from policy.differences import Difference
from policy.document import digest
from policy.errors import Invalid
from policy.models import ChangeRequest, Thread

#: Differences of one group that are shown at once; a first policy has thousands.
MAX_SHOWN = 60
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


def context(
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
