"""What a change request said at any time: its states, and any two of them compared.

A state is kept under the digest of its document, so whatever a vote, a thread or an audit entry
names can be looked at again. It is called by a word:

    base        what the change request starts from
    <number>    the content as of that version of the draft
    reviewed    what the person read when they voted last
    now         the present content
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from django.db import models

from policy import state
from policy.document import Policy, canonical, from_json
from policy.document.differences import Difference, compare
from policy.errors import Invalid
from policy.models import ChangeRequest, Document, DraftState, Review
from policy.review.votes import votes_on

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

BASE, REVIEWED, NOW = "base", "reviewed", "now"


def keep(change: ChangeRequest, actor: User, action: str) -> None:
    """Keep the present content as a state of the change request."""
    keep_document(change.policy)
    DraftState.objects.create(
        change_request=change,
        version=change.lock_version,
        document_id=change.digest,
        actor=actor,
        action=action,
        at=change.edited_at,
    )


def keep_document(policy: Policy) -> str:
    """Keep a policy, so that its digest, which is returned, leads to it."""
    # Another change request may have had the same content at the same moment.
    document = Document(digest=policy.digest, content=_packed(policy))
    Document.objects.bulk_create([document], ignore_conflicts=True)
    return document.digest


def _packed(policy: Policy) -> bytes:
    return zlib.compress(canonical(policy.to_json()).encode())


@lru_cache(maxsize=64)
def policy_by_digest(digest: str) -> Policy:
    """A kept policy by its digest. Raises Invalid where nothing of that digest was kept."""
    found = Document.objects.filter(digest=digest).first()
    if found is None:
        raise Invalid(f"No content {digest[:12]}… was kept.")
    return from_json(json.loads(zlib.decompress(bytes(found.content))))


def states(change: ChangeRequest) -> models.QuerySet[DraftState]:
    """Every state of the change request with who made it, the newest first."""
    kept = change.states.select_related("actor").defer("document__content")
    return kept.order_by("-version")


def last_vote(change: ChangeRequest, user: User | AnonymousUser) -> Review | None:
    """The person's newest vote on the change request, on whatever content."""
    own = [vote for vote in votes_on(change) if vote.reviewer_id == user.pk]
    return own[-1] if own else None


@dataclass(frozen=True, slots=True)
class Told:
    """A state that somebody named: the word for it, and its policy."""

    name: str
    policy: Policy
    digest: str


def named(change: ChangeRequest, name: str, user: User | AnonymousUser) -> Told:
    """The state of that name (see the module). Raises Invalid where there is none."""
    if name == NOW:
        return Told(name, change.policy, change.digest)
    if name == BASE:
        policy = state.baseline(change)
        return Told(name, policy, policy.digest)
    if name == REVIEWED:
        return _reviewed(change, user)
    if not name.isascii() or not name.isdigit() or len(name) > 9:
        raise Invalid(f"'{name:.40}' names no state: {BASE}, {REVIEWED}, {NOW} or a version.")
    found = at(change, int(name))
    if found is None:
        raise Invalid(f"The change request has no version {name}.")
    return Told(name, found, found.digest)


def _reviewed(change: ChangeRequest, user: User | AnonymousUser) -> Told:
    vote = last_vote(change, user)
    if vote is None:
        raise Invalid("You have not voted on this change request.")
    return Told(REVIEWED, policy_by_digest(vote.digest), vote.digest)


def between(
    change: ChangeRequest, first: str, second: str, user: User | AnonymousUser
) -> tuple[Difference, ...]:
    """What differs from one named state to another. Raises Invalid."""
    old, new = named(change, first, user), named(change, second, user)
    return compare(old.policy, new.policy)


def at(change: ChangeRequest, version: int) -> Policy | None:
    """The draft at a version; None where that one is not known."""
    if not 0 < version <= change.lock_version:
        return None
    # Title and description raise the version too: the content is then that of an earlier one.
    kept = change.states.filter(version__lte=version).order_by("-version").first()
    return policy_by_digest(kept.document_id) if kept is not None else None


def since(change: ChangeRequest, version: int) -> tuple[Difference, ...]:
    """What was changed after a version of the draft; empty where that one is not known."""
    seen = at(change, version)
    return compare(seen, change.policy) if seen is not None else ()


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What others did to a draft between two of its versions: who (login names), and what."""

    people: tuple[str, ...]
    differences: tuple[Difference, ...]


def meanwhile(change: ChangeRequest, seen: int) -> Meanwhile | None:
    """What came between the version that a person saw and the edit of theirs that ``change`` is
    after, with which it was merged; None where nothing did."""
    between = [state for state in states(change) if seen < state.version < change.lock_version]
    before, after = at(change, seen), at(change, change.lock_version - 1)
    if not between or before is None or after is None:
        return None
    people = dict.fromkeys(state.actor.get_username() for state in reversed(between))
    return Meanwhile(tuple(people), compare(before, after))


# --- Others at the same things --------------------------------------------------------------------

#: (group, label) of the things that a change request touches, in order.
Touched = dict[tuple[str, str], None]
#: What so many drafts touch stays in memory, so that a page reads no document of another one.
MAX_TOUCHED = 1024
_touched: dict[tuple[str, str], Touched] = {}


@dataclass(frozen=True, slots=True)
class Overlap:
    """Another open change request of the release, and the things that both touch."""

    change: ChangeRequest
    labels: tuple[str, ...]


def overlaps(change: ChangeRequest) -> tuple[Overlap, ...]:
    """The other open change requests that touch what this one touches, the oldest first."""
    if not change.is_open:
        return ()
    mine = touched(change)
    rows = (
        ChangeRequest.objects.filter(release_id=change.release_id, status__in=ChangeRequest.OPEN)
        .exclude(pk=change.pk)
        .select_related("author", "base_revision", "release__tree")
        .order_by("pk")
    )
    others = list(rows.defer("content", "base_revision__content"))
    unread = [other.pk for other in others if _content_of(other) not in _touched]
    read = rows.select_related("seed").in_bulk(unread) if unread else {}
    found = []
    for other in others:
        theirs = touched(read.get(other.pk, other))
        if shared := tuple(label for group, label in mine if (group, label) in theirs):
            found.append(Overlap(other, shared))
    return tuple(found)


def touched(change: ChangeRequest) -> Touched:
    """The things that the change request touches."""
    key = _content_of(change)
    found = _touched.get(key)
    if found is None:
        compared = compare(state.baseline(change), change.policy)
        found = dict.fromkeys((item.group, item.label) for item in compared)
        if len(_touched) >= MAX_TOUCHED:
            _touched.clear()
        _touched[key] = found
    return found


def _content_of(change: ChangeRequest) -> tuple[str, str]:
    """What it starts from and what it makes of it: a key that no other content has."""
    base = change.base_revision
    start = base.digest if base is not None else f"{change.pk} {change.created_at.isoformat()}"
    return start, change.digest
