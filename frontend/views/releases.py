"""Releases: the list, a new one, and the page of one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from frontend.access import status_of
from frontend.actions import releases
from frontend.addresses import release_address
from frontend.names import newest_first
from frontend.scope import Scope, scope_of
from frontend.shown.overview import open_changes
from machines.catalogue import NoCatalogue
from policy import rules
from policy.permissions import may
from policy.state import State

SHOWN_REVISIONS = 10


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """A new release of a tree in which the person may import."""
    form = releases.form_for(
        request.user, request.POST or None, initial={"tree": request.GET.get("tree")}
    )
    if request.method == "POST" and form.is_valid():
        release = releases.made(form, request.user)
        messages.success(request, _("%(release)s is here now.") % {"release": release.label})
        return redirect(release_address("release", release))
    return render(request, "pages/release_new.html", {"form": form}, status=status_of(form))


@login_required
@require_safe
def release(request: HttpRequest, tree: str, version: str) -> HttpResponse:
    """Context: scope, state (None where no catalogue serves, then ``missing`` says why),
    machine_types, snapshots, revisions, changes (open ones), may_edit_tree, may_import.
    """
    scope = scope_of(request, tree, version)
    found, user = scope.release, request.user
    state, missing = _state(scope)
    revisions = found.revisions.select_related("published_by", "bundle").defer(
        "content", "bundle__content"
    )
    context = {
        "scope": scope,
        "release": found,
        "state": state,
        "missing": missing,
        "machine_types": newest_first(rules.machine_types(state)) if state else (),
        "snapshots": found.snapshots.defer("content").select_related("imported_by"),
        "revisions": revisions[:SHOWN_REVISIONS],
        "changes": open_changes().filter(release=found),
        "may_edit_tree": may(user, "edit", found.tree),
        "may_import": may(user, "import", found.tree),
    }
    return render(request, "pages/release.html", context)


def _state(scope: Scope) -> tuple[State | None, str]:
    try:
        return scope.state(), ""
    except NoCatalogue as error:
        return None, str(error)
