"""What the wizard of a backport shows: proposals, the releases that may take it, what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from django.db import transaction

from frontend.access import trees_for
from machines.catalogue import CatalogueSource, NoCatalogue, effective_catalogue
from machines.emulator import qdev
from machines.emulator.catalogue import Catalogue
from machines.models import Release
from policy import edits, rules, state
from policy.document import plain
from policy.errors import PolicyError
from policy.models import ChangeRequest, Feature, Revision
from policy.questions.backporting import Effects
from policy.review import examining
from policy.rules import proposals
from policy.rules.bitmaps import SectionBitmap
from policy.rules.proposals import Proposal
from policy.state import State

# --- Proposals ------------------------------------------------------------------------------------


def proposed(old: Release, new: Release) -> tuple[Proposal, ...]:
    """What the newer release's catalogue has gained. Raises ``NoCatalogue``."""
    return _proposed(_Known(*effective_catalogue(old)), _Known(*effective_catalogue(new)))


class _Known:
    """A catalogue as the key of a cache: by its digest."""

    __slots__ = ("catalogue", "digest")

    def __init__(self, catalogue: Catalogue, source: CatalogueSource) -> None:
        self.catalogue, self.digest = catalogue, source.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other.digest == self.digest


@lru_cache(maxsize=16)
def _proposed(old: _Known, new: _Known) -> tuple[Proposal, ...]:
    return proposals.propose(old.catalogue, new.catalogue)


def recorded(found: Sequence[Proposal]) -> dict[str, Feature]:
    """Proposal, by its slug → the feature of the library that has its device, carriers and gate."""
    rows = Feature.objects.filter(device__in={item.spec.device for item in found})
    known = {_content(row.device, row.carriers, row.gate): row for row in rows}
    contents = ((item, _content(item.spec.device, *_as_json(item))) for item in found)
    return {item.spec.slug: known[content] for item, content in contents if content in known}


def _as_json(item: Proposal) -> tuple[Any, Any]:
    carriers = [plain(asdict(carrier)) for carrier in item.spec.carriers]
    return carriers, asdict(item.spec.gate) if item.spec.gate else None


def _content(device: str, carriers: Any, gate: Any) -> str:
    """What makes a feature, whatever it is called."""
    named = [sorted(carrier.items()) for carrier in carriers]
    return repr([device, named, sorted(gate.items()) if gate else None])


# --- Targets --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """A release that may take a feature. ``has`` says where it has it already: a revision, an open
    change request, its base; ``changes`` are the open change requests that may take it.
    """

    release: Release
    has: str
    changes: list[ChangeRequest]


def targets_of(user: Any, feature: Feature) -> list[Target]:
    """The releases whose policy the person may edit, the newest of each tree first."""
    releases = list(
        Release.objects.filter(tree__in=trees_for(user, "edit"), base__isnull=False)
        .select_related("tree", "base__tree")
        .order_by("tree__name", "-sort_key")
    )
    published = {item.release_id: item for item in revisions_with(feature.slug)}
    drafted = {item.release_id: item for item in open_changes_with(feature.slug)}
    open_changes: dict[int, list[ChangeRequest]] = {}
    rows = ChangeRequest.objects.filter(
        release__in=releases, status__in=ChangeRequest.OPEN
    ).select_related("author", "release__tree")
    for change in rows.defer("content"):
        if change.is_editable:
            open_changes.setdefault(change.release_id, []).append(change)
    return [
        Target(
            release,
            _has(release, feature, published, drafted),
            open_changes.get(release.pk, []),
        )
        for release in releases
    ]


def _has(
    release: Release, feature: Feature, published: dict[int, Any], drafted: dict[int, Any]
) -> str:
    if release.pk in published:
        return f"r{published[release.pk].number}"
    if release.pk in drafted:
        return f"#{drafted[release.pk].pk}"
    base, introduced = release.base, feature.introduced
    if base is None or base.tree_id != introduced.tree_id:
        return ""
    return base.label if base.sort_key >= introduced.sort_key else ""


# --- Consequences ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SectionChange:
    """A section that changes alike on some machine types; None where it is not there before."""

    device: str
    before: SectionBitmap | None
    after: SectionBitmap
    machine_types: list[str]


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a backport would change in its device's sections, and what else follows from it."""

    sections: list[SectionChange]
    effects: Effects


def consequences(change: ChangeRequest, user: Any, chosen: Feature) -> Consequences:
    """What follows from the backport, before it is saved. Raises ``PolicyError``.

    The edit is made and taken back, so that what is shown is what saving does.
    """
    with transaction.atomic():
        before = _draft(change)
        edited = edits.add_backport(
            change, user, change.lock_version, chosen, "", "", "to see what follows"
        )
        after = _draft(edited)
        found = examining.effects_of(edited.policy, change.release, chosen.slug)
        transaction.set_rollback(True)
    return Consequences(section_changes(before, after, chosen.device), found)


def _draft(change: ChangeRequest) -> State:
    try:
        return state.draft(change)
    except NoCatalogue as error:
        raise PolicyError(str(error)) from error


def section_changes(before: State, after: State, device: str) -> list[SectionChange]:
    """The device's sections, and its descendants', that differ on any machine type."""
    devices = [
        name
        for name in sorted(after.catalogue.descriptions)
        if device in qdev.ancestors(after.catalogue, name)
    ]
    found: dict[Any, SectionChange] = {}
    for name in rules.machine_types(after) or ("",):
        for driver in devices:
            was = {
                item.path: item
                for item in rules.device_bitmaps(before.policy, before.catalogue, name, driver)
            }
            for item in rules.device_bitmaps(after.policy, after.catalogue, name, driver):
                old = was.get(item.path)
                if old != item:
                    key = (driver, old, item)
                    found.setdefault(key, SectionChange(driver, old, item, []))
                    found[key].machine_types.append(name)
    return list(found.values())


# --- Who has taken it already ---------------------------------------------------------------------


def revisions_with(slug: str) -> list[Revision]:
    """Of each release the newest revision, where that backports the feature."""
    newest = list(state.newest_revisions().values())
    return [
        revision
        for revision, policy in zip(newest, state.policies_of(newest), strict=True)
        if any(item.feature.slug == slug for item in policy.backports)
    ]


def open_changes_with(slug: str) -> Any:
    """The open change requests that backport it."""
    listed = ChangeRequest.objects.filter(status__in=ChangeRequest.OPEN)
    having = [
        pk
        for pk, backports in listed.values_list("pk", "content__backports")
        if any(item["feature"]["slug"] == slug for item in backports or ())
    ]
    return (
        ChangeRequest.objects.filter(pk__in=having)
        .select_related("release__tree", "author")
        .defer("content")
    )
