"""The bundles of published revisions: built once, kept, and never changed.

What is in one and how it is verified is pure (:mod:`policy.packing`); signatures and the index of
all bundles are in :mod:`policy.signing`.
"""

from __future__ import annotations

import hashlib

from django.db import transaction

from policy.audit import record
from policy.models import Bundle, Revision
from policy.packing.content import BuiltBundle, render
from policy.packing.published import BundleError
from policy.packing.verifying import problems as verify

__all__ = ["BuiltBundle", "BundleError", "build", "render", "store", "verify"]


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
