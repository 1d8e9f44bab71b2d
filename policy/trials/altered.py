"""What the drafts of open change requests make of a tree's migrations, as rows that a matrix reads.

A draft's trials are derived from its whole policy, which no page can do for every open change
request. So what each alters is noted: the sweeper calls :func:`refresh` every few seconds, which
notes anew where a draft was edited, or something else published or imported.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.db import transaction
from django.db.models import Count, F, OuterRef, QuerySet, Subquery

from machines.models import Tree
from policy.models import Alteration, AlteredTrial, ChangeRequest, Trial
from policy.review.standing import surroundings
from policy.trials.matrix import decided
from policy.trials.needed import Requirement, is_promised, planned

Pair = tuple[str, str]
_CHANGE, _TITLE = F("alteration__change_request"), F("alteration__change_request__title")


@dataclass(frozen=True, slots=True)
class Mark:
    """An open change request that alters trials of a pair, and how many."""

    change: int
    title: str
    trials: int


@dataclass(frozen=True, slots=True)
class Altered:
    """A trial before and after a draft. An outcome is empty where there is none yet.

    ``expected`` and ``was_expected`` are the promised outcomes, empty where nothing is promised.
    ``trial`` and ``was_trial`` are primary keys, 0 where there is none.
    """

    change: int
    title: str
    machine_type: str
    was_expected: str
    was_outcome: str
    was_trial: int
    expected: str
    outcome: str
    trial: int


# --- Asked by pages -------------------------------------------------------------------------------


def marks(tree: Tree, machine_type: str = "") -> dict[Pair, tuple[Mark, ...]]:
    """Which open change requests alter a pair of the tree's releases; one query.

    Only trials of one machine type count, where one is given.
    """
    rows = (
        _rows(tree, machine_type)
        .values("source", "destination", change=_CHANGE, title=_TITLE)
        .annotate(trials=Count("pk"))
        .order_by("change")
    )
    found: dict[Pair, tuple[Mark, ...]] = {}
    for row in rows:
        pair = (row["source"], row["destination"])
        mark = Mark(row["change"], row["title"], row["trials"])
        found[pair] = (*found.get(pair, ()), mark)
    return found


def altered(tree: Tree, pair: Pair, machine_type: str = "", limit: int = 50) -> list[Altered]:
    """What open change requests make of one pair, before and after; one query."""
    after, before = (Trial.objects.filter(key=OuterRef(name)) for name in ("key", "was_key"))
    rows = _rows(tree, machine_type).filter(source=pair[0], destination=pair[1])
    outcomes = rows.annotate(
        outcome=Subquery(after.values("outcome")[:1]),
        trial=Subquery(after.values("pk")[:1]),
        was_outcome=Subquery(before.values("outcome")[:1]),
        was_trial=Subquery(before.values("pk")[:1]),
        change=_CHANGE,
        title=_TITLE,
    )
    names = [each.name for each in fields(Altered)]
    listed = outcomes.order_by("alteration__change_request", "machine_type").values(*names)[:limit]
    nothing: dict[str, Any] = {"outcome": "", "was_outcome": "", "trial": 0, "was_trial": 0}
    return [
        Altered(**{k: nothing[k] if v is None else v for k, v in row.items()}) for row in listed
    ]


def _rows(tree: Tree, machine_type: str) -> QuerySet[AlteredTrial]:
    of_tree = ChangeRequest.objects.filter(release__tree=tree, status__in=ChangeRequest.OPEN)
    rows = AlteredTrial.objects.filter(alteration__change_request__in=of_tree)
    return rows.filter(machine_type=machine_type) if machine_type else rows


# --- Noted for them -------------------------------------------------------------------------------


def refresh(seconds: float = 3) -> int:
    """Note what drafts alter that were edited, or rested on something else, since they were noted.

    Ends after about so many ``seconds``: the rest waits for the next call. Returns how many it was.
    """
    around = surroundings()
    opened = ChangeRequest.objects.filter(status__in=ChangeRequest.OPEN)
    waiting = opened.exclude(alteration__digest=F("digest"), alteration__surroundings=around)
    ends, done = time.monotonic() + seconds, 0
    for pk in waiting.order_by("-edited_at").values_list("pk", flat=True):
        change = opened.filter(pk=pk).select_related("release__tree").first()
        if change is not None:
            note(change, around)
            done += 1
        if time.monotonic() > ends:
            break
    return done


def note(change: ChangeRequest, around: str) -> None:
    """Note what the draft alters. ``around``: what else it rests on, looked at before."""
    rows = list(_differences(_required(change, None), _required(change, change)))
    with transaction.atomic():
        alteration, _ = Alteration.objects.update_or_create(
            change_request=change, defaults={"digest": change.digest, "surroundings": around}
        )
        alteration.trials.all().delete()
        for row in rows:
            row.alteration = alteration
        AlteredTrial.objects.bulk_create(rows)


#: A trial by source, destination and machine type.
Named = Mapping[tuple[str, str, str], Requirement]


def _required(change: ChangeRequest, drafted: ChangeRequest | None) -> Named:
    """The trials of the release's own policy, and of others of its tree those from and to it: as
    published, or with the draft. Of two policies that declare the same the newer release's counts.
    """
    label = change.release.label
    draft = drafted.policy if drafted is not None else None
    found: dict[tuple[str, str, str], Requirement] = {}
    for policy in decided(change.release.tree, drafted):
        if policy.label == label:
            found |= _by_name(planned(policy))
        elif is_promised(policy, label):
            promised = _by_name(planned(policy, draft=draft))
            found |= {name: item for name, item in promised.items() if label in name[:2]}
    return found


def _by_name(found: Iterable[Requirement]) -> dict[tuple[str, str, str], Requirement]:
    return {
        (item.required.source, item.required.destination, item.required.machine_type): item
        for item in found
    }


def _differences(before: Named, after: Named) -> Iterator[AlteredTrial]:
    for name in {**before, **after}:
        was, now = before.get(name), after.get(name)
        if was is None or now is None or (was.key, was.required) != (now.key, now.required):
            yield AlteredTrial(
                source=name[0],
                destination=name[1],
                machine_type=name[2],
                was_expected=was.required.expected if was else "",
                was_key=was.key if was else "",
                expected=now.required.expected if now else "",
                key=now.key if now else "",
            )
