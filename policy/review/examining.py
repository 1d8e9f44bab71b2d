"""What the rules say of a change request's draft: its findings, and what its backports bring about.

Gathers the releases that the rules compare with, asks :mod:`policy.findings` and lays the policy's
waivers over the answer, or asks :mod:`policy.questions.backporting`. What was asked once is
remembered by content, findings by day as well, so that a page which is opened again waits for
nothing. Only an error that nobody waived is in the way of publishing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from machines.catalogue import NoCatalogue
from machines.models import Release
from policy import state
from policy.document import Backport, Policy, waivers
from policy.document.waivers import Scope, Standing
from policy.findings import Finding, Subject, findings
from policy.models import ChangeRequest
from policy.questions.backporting import Effects, effects
from policy.review.checking import today
from policy.state import Content, State

#: Releases that a draft is compared with: the declared partners, then the nearest of its tree.
MAX_OTHERS = 12
#: Such releases stay in memory, the last asked ones.
MAX_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class CheckedFinding:
    """A finding and, for each direction that it concerns, how a waiver of it stands."""

    finding: Finding
    waived: tuple[tuple[Scope, Standing], ...]

    @property
    def is_waived(self) -> bool:
        return all(standing.holds for _, standing in self.waived)

    @property
    def blocks(self) -> bool:
        """Is it in the way of publishing?"""
        return self.finding.severity == "error" and not self.is_waived


def findings_of(change: ChangeRequest) -> tuple[CheckedFinding, ...]:
    """What the rules say of the draft, the gravest first. Raises ``NoCatalogue``."""
    return checked(change.policy, examined(change.policy, change.release), today())


def checked(policy: Policy, found: Iterable[Finding], day: date) -> tuple[CheckedFinding, ...]:
    """The findings with the policy's waivers as they stand on that day."""
    given = {waivers.scope(waiver): waiver for waiver in policy.waivers}
    return tuple(
        CheckedFinding(
            item,
            tuple(
                (scope, Standing.of(given.get(scope), item.digest, day))
                for scope in scopes(item, policy.label)
            ),
        )
        for item in found
    )


def scopes(finding: Finding, label: str) -> tuple[Scope, ...]:
    """What waivers of a finding name: each direction that it concerns, else the two releases."""
    place = finding.place.machine_type
    pairs = finding.pairs
    if not pairs:
        return ((finding.identity, finding.partner or label, label, place),)
    return tuple((finding.identity, pair.source, pair.destination, place) for pair in pairs)


def examined(policy: Policy, release: Release) -> tuple[Finding, ...]:
    """What the rules say of a policy for this release. Raises ``NoCatalogue``."""
    draft, others = _gathered(policy, release)
    shipped = _shipped(release)
    return _examined(draft, others, Content(shipped) if shipped else None, today())


@dataclass(frozen=True, slots=True)
class TakenBackport:
    """A backport of a policy, and what follows from it."""

    backport: Backport
    effects: Effects


def backports_of(policy: Policy, release: Release) -> tuple[TakenBackport, ...]:
    """A policy's backports in its order, each with what follows from it. Raises ``NoCatalogue``."""
    if not policy.backports:
        return ()
    draft, others = _gathered(policy, release)
    return tuple(
        TakenBackport(item, _effects(draft, others, item.feature.slug)) for item in policy.backports
    )


def effects_of(policy: Policy, release: Release, slug: str) -> Effects:
    """What follows from the policy's backport of the feature ``slug``. Raises ``NoCatalogue``."""
    return _effects(*_gathered(policy, release), slug)


def subject_of(found: State) -> Subject:
    """A release as the rules see it, from its state."""
    source = found.source
    return Subject(found.label, found.policy, found.catalogue, source.label, source.stand_in_for)


@lru_cache(maxsize=256)
def _effects(draft: Content, others: tuple[Content, ...], slug: str) -> Effects:
    policy = draft.state.policy
    if policy is None:
        return Effects((), (), ())
    [backport] = (item for item in policy.backports if item.feature.slug == slug)
    base, _ = state.base_catalogue(policy.base)
    return effects(policy, base, backport, [_subject(item) for item in others])


@lru_cache(maxsize=64)
def _examined(
    draft: Content, others: tuple[Content, ...], shipped: Content | None, day: date
) -> tuple[Finding, ...]:
    return findings(
        subject_of(draft.state),
        [_subject(item) for item in others],
        day,
        _subject(shipped) if shipped is not None else None,
    )


@lru_cache(maxsize=MAX_REMEMBERED)
def _subject(published: Content) -> Subject:
    """A release that drafts are compared with, and what has been asked of it."""
    return subject_of(published.state)


def remember(published: State) -> None:
    """Ask of a release what every draft of its tree will ask of it."""
    subject = _subject(Content(published))
    _ = subject.settled, subject.lost_in_reading


def _gathered(policy: Policy, release: Release) -> tuple[Content, tuple[Content, ...]]:
    """The policy's own state, and those of the releases that it is compared with."""
    draft = state.of_policy(policy)
    return Content(draft), tuple(Content(item) for item in _others(policy, release))


def _shipped(release: Release) -> State | None:
    """What is published of the release; before its first revision, what its sources say."""
    try:
        return state.published(release)
    except NoCatalogue:
        return None


def _others(policy: Policy, release: Release) -> Sequence[State]:
    """The partners of declared migrations, then the tree's other releases, the nearest first."""
    declared = {
        label for item in policy.migrations for label in (item.source, item.destination)
    } - {policy.label}
    own_tree = (item for item in state.releases() if item.tree_id == release.tree_id)
    siblings = [item for item in own_tree if item.pk != release.pk]
    older = [item for item in siblings if item.sort_key < release.sort_key][::-1]
    newer = [item for item in siblings if item.sort_key >= release.sort_key]
    named = [state.release_of(label) for label in sorted(declared)]
    found: dict[int, State] = {}
    for item in (*named, *older, *newer):
        if item is None or item.pk in found or len(found) == MAX_OTHERS:
            continue
        try:
            found[item.pk] = state.published(item)
        except NoCatalogue:
            continue  # nothing is known of it: its trials say so
    return list(found.values())
