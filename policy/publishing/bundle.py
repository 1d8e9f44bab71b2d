"""The bundles of published revisions: built once, kept, and never changed.

What is in one and how it is verified is pure (:mod:`policy.packing`); signatures and the index of
all bundles are in :mod:`policy.publishing.signing`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.db import transaction

from policy.audit import record
from policy.models import Bundle, ChangeRequest, Revision
from policy.packing.comparing import changed_files
from policy.packing.content import BuiltBundle, archive_of, render
from policy.packing.published import BundleError
from policy.packing.verifying import problems as verify
from policy.publishing import revisions

__all__ = ["BuiltBundle", "BundleError", "Preview", "build", "preview", "render", "store", "verify"]


def build(revision: Revision) -> BuiltBundle:
    """The bundle of a published revision. Raises :class:`BundleError` that names the fault."""
    if hashlib.sha256(revision.content.encode()).hexdigest() != revision.digest:
        raise BundleError(f"{revision}: the content is not that of its digest {revision.digest}")
    return render(revision.content)


def store(revision: Revision) -> Bundle:
    """Build and keep the revision's bundle; the one that is kept already, if there is one."""
    built = build(revision)
    with transaction.atomic():
        bundle, created = Bundle.objects.get_or_create(
            revision=revision,
            defaults={
                "filename": built.filename,
                "content": built.content,
                "size": len(built.content),
                "sha256": built.sha256,
            },
        )
        if created:
            record(None, "build bundle", bundle, after={"sha256": built.sha256})
    return bundle


@dataclass(frozen=True, slots=True)
class Preview:
    """What publishing a change would alter in the bundle: ``changed`` has each path and how
    (added, removed, changed), ``before`` and ``after`` all files of both.
    """

    before: Mapping[str, bytes]
    after: Mapping[str, bytes]
    changed: Mapping[str, str]


def preview(change: ChangeRequest) -> Preview:
    """The bundle that publishing the change now would make, beside that of the revision it starts
    from; of a release's first change, beside what its sources say.

    Raises :class:`BundleError`, ``NoCatalogue``.
    """
    if change.base_revision is not None:
        before = _files_of(change.base_revision.content)
    else:
        before = _files_of(revisions.preview_of_seed(change))
    published = change.revision
    after = _files_of(published.content if published else revisions.preview(change))
    return Preview(before, after, changed_files(before, after))


@lru_cache(maxsize=8)
def _files_of(content: str) -> Mapping[str, bytes]:
    return archive_of(content).files
