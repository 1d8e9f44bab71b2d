"""What a release's page is about: the release, and the change request it is looked at through.

Without ``?change=`` a page shows what is published, with it the draft; and where the person may
edit that draft, the page offers edits in place.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpRequest

from frontend.access import demand, visible_change
from frontend.navigation import LAST_RELEASE
from frontend.numbers import number_of
from machines.catalogue import NoCatalogue
from machines.models import Release
from policy import state as states
from policy.models import ChangeRequest
from policy.permissions import may
from policy.state import State


@dataclass(frozen=True, slots=True)
class Scope:
    """``may_edit``: the person may edit the tree and the change request is still open."""

    release: Release
    change: ChangeRequest | None = None
    may_edit: bool = False

    def state(self) -> State:
        """The draft's state, else the published one. Raises NoCatalogue where nothing serves."""
        if self.change is not None:
            return states.draft(self.change)
        return states.published(self.release)

    @property
    def edited(self) -> ChangeRequest:
        """The change request of a scope that has one, as every edit's has."""
        assert self.change is not None  # noqa: S101 - scope_of_change has found it
        return self.change


def scope_of(request: HttpRequest, tree: str, version: str) -> Scope:
    """The scope of a release's address. Raises Http404, or PermissionDenied."""
    releases = Release.objects.select_related("tree", "base__tree", "stand_in__tree")
    release = releases.filter(tree__name=tree, version=version).first()
    if release is None:
        raise Http404(f"No release {tree} {version}.")
    demand(request.user, "view", release.tree)
    change = _change(request, release)
    remember(request, release, change)
    may_edit = bool(change and change.is_editable and may(request.user, "edit", release.tree))
    return Scope(release, change, may_edit)


def remember(request: HttpRequest, release: Release, change: ChangeRequest | None) -> None:
    """Let the sidebar lead to this release's machine types and devices."""
    request.lockstep_release = release  # type: ignore[attr-defined]
    request.lockstep_change = change  # type: ignore[attr-defined]
    if request.session.get(LAST_RELEASE) != release.pk:
        request.session[LAST_RELEASE] = release.pk


def _change(request: HttpRequest, release: Release) -> ChangeRequest | None:
    asked = request.GET.get("change", "")
    if not asked:
        return None
    number = number_of(asked)
    if number is None:
        raise Http404("No such change request.")
    changes = ChangeRequest.objects.filter(release=release, pk=number).select_related("author")
    change = changes.first()
    if change is None:
        raise Http404(f"No change request #{asked} for {release}.")
    # The release is loaded with its tree; asking the change for its own would be queries more.
    change.release = release
    return change


def scope_of_change(request: HttpRequest, pk: int) -> Scope:
    """The scope of an edit: a change request and its release. Raises Http404.

    Whether the person may edit is for the edit itself to say, which records it too.
    """
    change = visible_change(request.user, pk)
    remember(request, change.release, change)
    may_edit = change.is_editable and may(request.user, "edit", change.release.tree)
    return Scope(change.release, change, may_edit)


def state_or_404(scope: Scope) -> State:
    """The scope's state. A release without a catalogue has no machine types and no devices."""
    try:
        return scope.state()
    except NoCatalogue as error:
        raise Http404(str(error)) from error
