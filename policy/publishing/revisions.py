"""A revision: the content of a change request, what follows from it, and who approved it.

Everything that a bundle holds stands in the revision's own canonical JSON, so that it can be built
again from the row alone::

    {"policy": the document,
     "derived": {"properties": {machine type: [{driver, property, value}, …]}, "left_out", "trials",
                 "approvals", "change", "changes", "revision", "snapshot", "audit_head",
                 "generator", "schema"}}

:mod:`policy.review.workflow` decides whether one may be made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from policy import audit, rules, state
from policy.document import (
    SCHEMA,
    Policy,
    canonical,
    canonical_object,
    differences,
    digest_of,
)
from policy.exporters import mitigations, target
from policy.models import ChangeRequest, Review, Revision, Trial
from policy.review import checking
from policy.review.votes import approvals as approvals_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


#: Raised when what is derived from a policy changes, so that it is known what derived it.
GENERATOR = {"name": "lockstep", "version": "0.1.0"}


def make(change: ChangeRequest, actor: User, approvals: Iterable[Review]) -> Revision:
    """Write the release's next revision from the change's content and the votes that hold.

    Raises ``NoCatalogue``, and IntegrityError where another change was published meanwhile.
    """
    base = change.base_revision
    now = timezone.now()
    found = state.of_policy(change.policy)
    content = _content(change, found, approvals, now, actor.get_username(), audit.head())
    return Revision.objects.create(
        release=change.release,
        # Two that follow the same revision get the same number: the database refuses the second.
        number=_next_number(change),
        content=content,
        digest=digest_of(content),
        snapshot=found.source.snapshot,
        parent=base,
        published_by=actor,
        published_at=now,
    )


def preview(change: ChangeRequest) -> str:
    """The content of the revision that publishing the change would make, by nobody and as of its
    last edit: the same as long as nothing happens. Nothing is written. Raises ``NoCatalogue``.
    """
    found = state.of_policy(change.policy)
    return _content(change, found, approvals_of(change), change.edited_at, "")


def preview_of_seed(change: ChangeRequest) -> str:
    """The same of what a release's first change started from. Raises ``NoCatalogue``."""
    untouched = ChangeRequest(
        pk=change.pk,
        release=change.release,
        title=change.title,
        author=change.author,
        content=change.seed.content,
        digest=state.baseline(change).digest,
    )
    untouched.seed = change.seed
    found = state.of_policy(untouched.policy)
    return _content(untouched, found, (), change.created_at, "")


def _next_number(change: ChangeRequest) -> int:
    return change.base_revision.number + 1 if change.base_revision is not None else 1


def _content(
    change: ChangeRequest,
    found: state.State,
    approvals: Iterable[Review],
    now: datetime,
    by: str,
    audit_head: str = "",
) -> str:
    """A revision's canonical JSON: ``found`` is the change's own state, ``by`` who publishes it.

    What is large is put into it as it was written before: a draft's page asks for it each time.
    """
    policy, base = change.policy, change.base_revision
    published = {
        "number": _next_number(change),
        "parent": base.digest if base is not None else "",
        "published_at": _instant(now),
        "published_by": by,
    }
    derived = {
        **_history(change, policy, approvals),
        "schema": SCHEMA,
        "revision": published,
        "snapshot": found.source.snapshot.digest,
        "audit_head": audit_head,
        "generator": GENERATOR,
    }
    members = {name: canonical(value) for name, value in derived.items()}
    members |= _properties(state.Content(found))
    return canonical_object({"policy": policy.text, "derived": canonical_object(members)})


def _instant(when: datetime) -> str:
    """A time as the document has it: UTC, to the second."""
    return when.astimezone(UTC).isoformat(timespec="seconds")


def _history(change: ChangeRequest, policy: Policy, approvals: Iterable[Review]) -> dict[str, Any]:
    """Which change request it was, what it changed, who approved it, and its trials."""
    compared = differences.compare(state.baseline(change), policy)
    return {
        "change": {
            "number": change.pk,
            "title": change.title,
            "author": change.author.get_username(),
        },
        "changes": [asdict(item) for item in compared],
        "approvals": [
            {
                "reviewer": vote.reviewer.get_username(),
                "at": _instant(vote.created_at),
                "digest": vote.digest,
            }
            for vote in approvals
        ],
        "trials": _trial_summaries(checking.trials_of(change)),
    }


@lru_cache(maxsize=8)
def _properties(content: state.Content) -> dict[str, str]:
    """Per machine type: what it sets, in order, and what of it this release's QEMU cannot take;
    each in its canonical form.
    """
    found, policy = content.state, content.state.policy
    if policy is None:
        return {"properties": "{}", "left_out": "{}"}
    further = mitigations.sets(policy)
    own = [item.name for item in policy.machine_types]
    properties, left_out = {}, {}
    for name in dict.fromkeys([*own, *(name for _, name in further)]):
        resolved = rules.resolved_properties(policy, found.catalogue, name)
        if name in own:
            properties[name] = [
                {"driver": entry.driver, "property": entry.property, "value": entry.value}
                for entry in resolved
            ]
        more = [
            entry for guests, listed in further.items() if guests[1] == name for entry in listed
        ]
        left = target.left_out(found.catalogue, (*resolved, *more))
        left_out[name] = [asdict(entry) for entry in left]
    return {"properties": canonical(properties), "left_out": canonical(left_out)}


_SUMMARY = ("outcome", "reason", "section", "field", "kind", "lost", "forced", "assumptions")


def _trial_summaries(checked: Iterable[checking.CheckedTrial]) -> list[dict[str, Any]]:
    checked = list(checked)
    keys = [item.requirement.key for item in checked]
    results = dict(Trial.objects.filter(key__in=keys).values_list("key", "result"))
    return [_trial_summary(item, results.get(item.requirement.key) or {}) for item in checked]


def _trial_summary(checked: checking.CheckedTrial, result: dict[str, Any]) -> dict[str, Any]:
    item, waiver = checked.requirement, checked.waived.waiver
    waived = waiver if checked.outcome == "waived" else None
    return {
        "source": item.required.source,
        "destination": item.required.destination,
        "machine_type": item.required.machine_type,
        "expected": item.required.expected,
        "origins": list(item.origins),
        "outcome": item.trial.outcome if item.trial is not None else "",
        "key": item.key,
        "result": {name: result[name] for name in _SUMMARY if name in result},
        **({"waived": {"reason": waived.reason, "expires": waived.expires}} if waived else {}),
    }
