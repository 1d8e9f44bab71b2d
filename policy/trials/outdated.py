"""Published policies whose trials were held before something that they depend on changed.

A revision's trials were run on what its partners were when it was published. Where one of them has
published or imported since, nobody has tried how the two go together now: the next change request
of the release asks for those trials anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from machines.looks import once_a_look
from policy import state
from policy.models import Revision


@once_a_look
def outdated() -> Mapping[int, tuple[str, ...]]:
    """Release (primary key) → the partners that changed since its newest revision, by label."""
    newest = state.newest_revisions()
    changed = dict(_changed(newest))
    found = {}
    for release in state.releases():
        revision = newest.get(release.pk)
        if revision is not None:
            found[release.pk] = tuple(
                label
                for label in _partners(revision, release.label)
                if label in changed and changed[label] > revision.published_at
            )
    return {release: labels for release, labels in found.items() if labels}


def _changed(newest: Mapping[int, Revision]) -> Iterator[tuple[str, datetime]]:
    """When each release last became another: published, or imported where nothing is published."""
    imported = {item.release_id: item.imported_at for item in state.current_snapshots()}
    for release in state.releases():
        if release.pk in newest:
            yield release.label, newest[release.pk].published_at
        elif release.pk in imported:
            yield release.label, imported[release.pk]


def _partners(revision: Revision, own: str) -> list[str]:
    declared = state.policy_of(revision).migrations
    labels = {label for item in declared for label in (item.source, item.destination)}
    return sorted(labels - {own})
