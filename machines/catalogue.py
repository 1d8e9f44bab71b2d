"""A release's catalogue in the database: import it, find it, say what an import changed.

The only writer of :class:`~machines.models.Snapshot` and, with :mod:`machines.index`, of the rows
below it. An import compares by content: the same content again is no change, other content becomes
a further snapshot, and a snapshot that is written never changes (only which one is current does).

    outcome = import_catalogue(release, catalogue, source="a folder", user=None)
    outcome.created, outcome.snapshot.number        # True, 1

Errors: :class:`CatalogueError` where the input is at fault, :class:`NoCatalogue` where a release
has nothing imported that could serve.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Max
from django.utils.translation import gettext as _

from machines.comparison import Comparison, compare
from machines.emulator.catalogue import Catalogue, CatalogueError
from machines.emulator.catalogue.composition import doubts
from machines.emulator.catalogue.files import load_json
from machines.emulator.catalogue.overlay import overlay
from machines.emulator.catalogue.stored import dump, load
from machines.index import Rows
from machines.models import Release, Snapshot
from machines.progress import Progress, silent

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


#: So many catalogues stay in memory, about 4 MB each; the releases of a large downstream are 40.
MAX_READ = 64


class NoCatalogue(LookupError):
    """Nothing imported could serve as this release's catalogue; the text says what to do."""


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """``created`` is False where the content was imported before; ``changes``: see ``compare``."""

    snapshot: Snapshot
    created: bool
    changes: Comparison


@dataclass(frozen=True, slots=True)
class CatalogueSource:
    """Which release's catalogue serves.

    ``label`` and ``snapshot`` are the release that the device types come from. ``stand_in_for``
    is the label of the base release in whose place it serves, empty where it is the true one.
    ``layers`` are the snapshots laid over it, the nearest to the base first: what a downstream
    tells of itself (arrays, machine types). Empty where ``snapshot`` is the release's own.
    """

    label: str
    snapshot: Snapshot
    stand_in_for: str = ""
    layers: tuple[Snapshot, ...] = ()

    @property
    def digest(self) -> str:
        """Names the effective content: the snapshot's digest, or one of all layers' digests."""
        if not self.layers:
            return self.snapshot.digest
        digests = [self.snapshot.digest, *(layer.digest for layer in self.layers)]
        return hashlib.sha256("+".join(digests).encode()).hexdigest()

    @property
    def note(self) -> str:
        """What a page says where a stand-in serves; empty where none does."""
        if not self.stand_in_for:
            return ""
        return _("%(label)s's catalogue stands in for %(base)s, which is not imported.") % {
            "label": self.label,
            "base": self.stand_in_for,
        }


# --- Content ------------------------------------------------------------------------------------


def canonical(catalogue: Catalogue) -> bytes:
    """The catalogue's canonical JSON: sorted keys, no spaces, UTF-8."""
    document = dump(catalogue)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def catalogue_of(snapshot: Snapshot) -> Catalogue:
    """The snapshot's catalogue. The same object for the same snapshot while it stays in memory."""
    return _stored(snapshot.digest, snapshot.pk)


@lru_cache(maxsize=MAX_READ)
def _stored(digest: str, snapshot_id: int) -> Catalogue:
    # By digest as well as id: an id may come again after a rollback, content never changes.
    packed = Snapshot.objects.values_list("content", flat=True).get(pk=snapshot_id)
    content = zlib.decompress(bytes(packed))
    place = f"snapshot {snapshot_id}"
    if hashlib.sha256(content).hexdigest() != digest:
        raise CatalogueError(place, "its content is not what was imported (SHA-256 differs)")
    return load(load_json(place, content))


# --- Which catalogue serves ---------------------------------------------------------------------


def effective_catalogue(release: Release) -> tuple[Catalogue, CatalogueSource]:
    """The catalogue to work with, and whose it is.

    A release's own where it tells everything; else what it tells, laid over its base's; where
    the base has none, over its stand-in's. Raises :class:`NoCatalogue`.
    """
    return _effective(release, frozenset())


def _effective(release: Release, below: frozenset[int]) -> tuple[Catalogue, CatalogueSource]:
    snapshot = current_snapshot(release)
    own = None if snapshot is None else catalogue_of(snapshot)
    if snapshot is not None and own is not None and _is_complete(own):
        return own, CatalogueSource(release.label, snapshot)
    try:
        catalogue, source = _base_catalogue(release, below | {release.pk})
    except NoCatalogue:
        if snapshot is None or own is None or not own.types:
            raise
        return own, CatalogueSource(release.label, snapshot)
    if snapshot is None or own is None:
        return catalogue, source
    return overlay(catalogue, own), replace(source, layers=(*source.layers, snapshot))


def _base_catalogue(release: Release, below: frozenset[int]) -> tuple[Catalogue, CatalogueSource]:
    base = release.base
    if base is not None and base.pk not in below:
        try:
            return _effective(base, below)
        except NoCatalogue:
            pass
    stand_in = release.stand_in
    if stand_in is not None and stand_in.pk not in below:
        catalogue, source = _effective(stand_in, below)
        missing = base.label if base is not None else release.label
        return catalogue, replace(source, stand_in_for=missing)
    if base is not None:
        raise NoCatalogue(
            _("%(base)s, the base of %(release)s, is not imported: import it, or name a stand-in.")
            % {"base": base.label, "release": release.label}
        )
    raise NoCatalogue(
        _("%(release)s is not imported, and it names no base.") % {"release": release.label}
    )


def _is_complete(own: Catalogue) -> bool:
    """Does it tell enough of the devices to stand without a base?"""
    return bool(own.types and own.descriptions and own.properties)


def current_snapshot(release: Release) -> Snapshot | None:
    """The release's current snapshot, without its content."""
    return release.snapshots.filter(is_current=True).defer("content").first()


# --- Import -------------------------------------------------------------------------------------


def import_catalogue(
    release: Release,
    catalogue: Catalogue,
    *,
    source: str,
    user: AbstractBaseUser | None,
    progress: Progress | None = None,
) -> ImportOutcome:
    """Make ``catalogue`` the release's current one. ``source`` says where it came from.

    Atomic: other readers see the whole snapshot or none. Idempotent: content that the release
    has already makes no second snapshot, whoever else imports it at the same moment; content of
    an older snapshot makes that one current again. Raises :class:`CatalogueError`.
    """
    report = progress or silent
    report(0, 3, _("Checking the content"))
    if not any(
        (catalogue.types, catalogue.descriptions, catalogue.arrays, catalogue.machine_types)
    ):
        raise CatalogueError(source, "holds no device type, section, machine type or array")
    content = canonical(catalogue)
    digest = hashlib.sha256(content).hexdigest()
    rows = Rows(catalogue)
    report(1, 3, _("Writing %(count)d device types") % {"count": len(rows.device_types)})
    with transaction.atomic():
        outcome = _import_locked(release, catalogue, content, digest, rows, source, user)
    report(3, 3, _("Done"))
    return outcome


def _import_locked(
    release: Release,
    catalogue: Catalogue,
    content: bytes,
    digest: str,
    rows: Rows,
    source: str,
    user: AbstractBaseUser | None,
) -> ImportOutcome:
    # An update takes the row's lock on PostgreSQL and the database's on SQLite: of two imports
    # the second waits here, then finds the first one's snapshot.
    Release.objects.filter(pk=release.pk).update(sort_key=F("sort_key"))
    before = current_snapshot(release)
    if before is not None and before.digest == digest:
        return ImportOutcome(before, created=False, changes={})
    changes = compare(catalogue_of(before), catalogue) if before is not None else {}
    release.snapshots.filter(is_current=True).update(is_current=False)
    known = release.snapshots.filter(digest=digest).defer("content").first()
    if known is not None:
        release.snapshots.filter(pk=known.pk).update(is_current=True)
        known.refresh_from_db(fields=["is_current"])
        return ImportOutcome(known, created=False, changes=changes)
    last = release.snapshots.aggregate(last=Max("number"))["last"] or 0
    snapshot = Snapshot.objects.create(
        release=release,
        number=last + 1,
        digest=digest,
        content=zlib.compress(content),
        qemu_version=catalogue.version[:40],
        package=catalogue.package,
        source=source[:255],
        report={
            "counts": rows.counts(),
            "unreadable": dict(catalogue.unreadable),
            "doubts": doubts(catalogue.machine_types.values(), catalogue.arrays),
            "changes": changes,
        },
        imported_by=user,  # type: ignore[misc]
    )
    rows.write(snapshot)
    return ImportOutcome(snapshot, created=True, changes=changes)
