"""One end of a comparison as an address names it: a release as published, or a draft of it.

``rhel 9.3`` is the release with what it has published, ``change-7`` its state as change request 7
would leave it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _

from frontend.access import visible_change, visible_trees
from frontend.addresses import release_address
from frontend.numbers import number_of
from frontend.shown.overview import open_changes
from machines.catalogue import NoCatalogue
from machines.models import Release
from policy import state
from policy.errors import Invalid
from policy.models import ChangeRequest
from policy.state import State

_CHANGE = "change-"


@dataclass(frozen=True, slots=True)
class End:
    """A release, the change request that it is seen through (None: as published), its state."""

    value: str
    release: Release
    change: ChangeRequest | None
    state: State

    @property
    def name(self) -> str:
        """For people: with the change request."""
        number = f" #{self.change.pk}" if self.change else ""
        return f"{self.release.label}{number}"

    @property
    def own_address(self) -> str:
        """The address of the release's own page."""
        return self.address("release")

    def address(self, name: str, item: str = "", **query: Any) -> str:
        """The address of a page of the release, seen as this end is."""
        change = self.change.pk if self.change else ""
        return release_address(name, self.release, item, change=change, **query)


def choices(user: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """What a person may choose, by tree: each release, followed by its open change requests."""
    changes: dict[int, list[ChangeRequest]] = {}
    for change in open_changes():
        changes.setdefault(change.release_id, []).append(change)
    groups: dict[str, list[tuple[str, str]]] = {}
    for release in Release.objects.filter(tree__in=visible_trees(user)).select_related("tree"):
        group = groups.setdefault(release.tree.name, [])
        group.append((release.label, release.label))
        group += [
            (f"{_CHANGE}{change.pk}", f"{release.label} #{change.pk} {change.title[:60]}")
            for change in changes.get(release.pk, ())
        ]
    return list(groups.items())


def end_of(user: Any, value: str, field: str) -> End:
    """The end that ``value`` names. Raises :class:`Invalid` at ``field``."""
    if not value:
        raise Invalid(_("Choose a release."), field=field)
    try:
        if value.startswith(_CHANGE):
            change = _change(user, value.removeprefix(_CHANGE))
            return End(value, change.release, change, state.draft(change))
        release = _release(user, value)
        return End(value, release, None, state.published(release))
    except Http404 as error:
        text = _("There is no release or change request “%(value)s”.") % {"value": value[:80]}
        raise Invalid(text, field=field) from error
    except NoCatalogue as error:
        raise Invalid(str(error), field=field) from error


def _change(user: Any, text: str) -> ChangeRequest:
    number = number_of(text)
    if number is None:
        raise Http404
    return visible_change(user, number)


def _release(user: Any, label: str) -> Release:
    tree, _space, version = label.partition(" ")
    releases = Release.objects.filter(tree__in=visible_trees(user)).select_related("tree")
    found = releases.filter(tree__name=tree, version=version).first()
    if found is None:
        raise Http404
    return found
