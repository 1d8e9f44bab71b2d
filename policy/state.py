"""A release as its policy leaves it: the published state, or the draft of a change request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from django.db.models import OuterRef, QuerySet, Subquery

from machines.catalogue import CatalogueSource, NoCatalogue, catalogue_of, effective_catalogue
from machines.emulator.catalogue import Catalogue
from machines.emulator.memo import Same
from machines.looks import is_looking, once_a_look
from machines.models import Release, Snapshot
from policy import rules
from policy.document import CatalogueRef, Policy, remembered
from policy.document import from_json as policy_from_json
from policy.models import ChangeRequest, Revision

#: So many published policies stay in memory, the last read ones.
MAX_PUBLISHED = 256
_published: dict[str, Policy] = {}
_reading = Lock()


@dataclass(frozen=True, slots=True)
class State:
    """A release's policy (None: its catalogue says all) and the catalogue with its backports."""

    label: str
    policy: Policy | None
    catalogue: Catalogue
    source: CatalogueSource


class Content:
    """A state as the key of a cache: by what it holds, which its digests name."""

    __slots__ = ("_key", "state")

    def __init__(self, found: State) -> None:
        self.state = found
        decided = found.policy.digest if found.policy is not None else ""
        source = found.source
        self._key = (found.label, decided, source.digest, source.label, source.stand_in_for)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Content) and other._key == self._key


def release_of(label: str) -> Release | None:
    """The release that a document's label (``rhel 9.2``) names."""
    tree, _, version = label.partition(" ")
    if is_looking():
        named = (item for item in releases() if (item.tree.name, item.version) == (tree, version))
        return next(named, None)
    return Release.objects.filter(tree__name=tree, version=version).first()


@once_a_look
def releases() -> tuple[Release, ...]:
    """Every release with its tree, its base and its stand-in, by tree and version."""
    found = tuple(Release.objects.select_related("tree__review_rules"))
    by_key = {release.pk: release for release in found}
    # They are among these: to join them would make each of them anew for every row.
    for release in found:
        release.base = by_key.get(release.base_id)  # type: ignore[arg-type]
        release.stand_in = by_key.get(release.stand_in_id)  # type: ignore[arg-type]
    return found


def newest_revision(release: Release) -> Revision | None:
    """The release's newest revision, without its content."""
    if is_looking():
        return newest_revisions().get(release.pk)
    return release.revisions.defer("content").order_by("-number").first()


@once_a_look
def newest_revisions() -> Mapping[int, Revision]:
    """Release (primary key) → its newest revision, without its content."""
    newest = Revision.objects.filter(release=OuterRef("release")).order_by("-number")
    revisions = Revision.objects.filter(pk=Subquery(newest.values("pk")[:1]))
    found = revisions.select_related("release__tree").defer("content")
    return {item.release_id: item for item in found}


def policy_of(revision: Revision) -> Policy:
    """The policy that a revision holds for ever; the same object while it stays in memory."""
    return policies_of([revision])[0]


def policies_of(revisions: Iterable[Revision]) -> list[Policy]:
    """The policy of each; those that nobody has read yet are read in one query."""
    revisions = list(revisions)
    # By digest: an id may come again after a rollback, content never changes.
    known = {item.digest: _published.get(item.digest) for item in revisions}
    unread = [item.pk for item in revisions if known[item.digest] is None]
    if unread:
        rows = Revision.objects.filter(pk__in=unread).values_list("digest", "content")
        for digest, content in rows.iterator(chunk_size=8):
            known[digest] = policy_from_json(json.loads(content)["policy"])
    read = {digest: policy for digest, policy in known.items() if policy is not None}
    with _reading:
        # Of two threads that read the same, both keep the first one's object.
        found = [_published.setdefault(item.digest, read[item.digest]) for item in revisions]
        for digest in list(_published)[: max(0, len(_published) - MAX_PUBLISHED)]:
            del _published[digest]
    return found


def catalogue_ref(release: Release) -> CatalogueRef:
    """What a policy of this release stands on today. Raises ``NoCatalogue``."""
    _, source = effective_catalogue(release)
    return CatalogueRef(
        source.snapshot.release.label, source.snapshot.digest, source.stand_in_for or ""
    )


def base_catalogue(ref: CatalogueRef) -> tuple[Catalogue, CatalogueSource]:
    """The catalogue that a policy names, by its digest. Raises ``NoCatalogue``."""
    snapshot = catalogue_snapshot(ref.digest, ref.release)
    source = CatalogueSource(label=ref.release, snapshot=snapshot, stand_in_for=ref.stand_in_for)
    return catalogue_of(snapshot), source


def catalogue_by_digest(digest: str, release: str) -> Catalogue:
    """An imported catalogue by its content. Raises ``NoCatalogue``."""
    return catalogue_of(catalogue_snapshot(digest, release))


def catalogue_snapshot(digest: str, release: str) -> Snapshot:
    """The release's own snapshot of that content; another release's serves as well.

    Raises ``NoCatalogue``, which says what to import.
    """
    found = _snapshots().get(digest, ()) if is_looking() else tuple(_light().filter(digest=digest))
    if not found:
        raise NoCatalogue(
            f"The catalogue of {release or 'the base'} with the SHA-256 {digest[:12]}… is not "
            f"here: import {release or 'it'} again from the same files."
        )
    return next((item for item in found if item.release.label == release), found[0])


def _light() -> QuerySet[Snapshot]:
    return Snapshot.objects.defer("content", "report").select_related("release__tree")


@once_a_look
def _snapshots() -> Mapping[str, tuple[Snapshot, ...]]:
    found: dict[str, tuple[Snapshot, ...]] = {}
    for item in _light():
        found[item.digest] = (*found.get(item.digest, ()), item)
    return found


def baseline(change: ChangeRequest) -> Policy:
    """The policy that the change request starts from, and that its differences are told against.

    That of its base revision; for a release's first policy the seed, made from the catalogue when
    the change was opened: what is imported later does not alter it.
    """
    if change.base_revision is not None:
        return policy_of(change.base_revision)
    return remembered(change.seed.content)


def published(release: Release) -> State:
    """The release as its newest revision leaves it; without one, as its catalogue tells it.

    Raises ``NoCatalogue``.
    """
    revision = newest_revision(release)
    if revision is not None:
        return of_policy(policy_of(revision))
    catalogue, source = effective_catalogue(release)
    return State(release.label, None, catalogue, source)


def draft(change: ChangeRequest) -> State:
    """The release as the change request would leave it. Raises ``NoCatalogue``."""
    return of_policy(change.policy)


def of_policy(policy: Policy) -> State:
    """A release as this policy would leave it. Raises ``NoCatalogue``."""
    base, source = base_catalogue(policy.base)
    return State(policy.label, policy, _left_by(Same(base), Same(policy)), source)


@lru_cache(maxsize=128)
def _left_by(base: Same[Catalogue], policy: Same[Policy]) -> Catalogue:
    """The same object for the same two, so that what follows from it can be remembered by it."""
    return rules.policy_catalogue(base.object, policy.object)
