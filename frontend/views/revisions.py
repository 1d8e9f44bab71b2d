"""A release's published revisions: any two compared, and the way back to an older one."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend.numbers import number_of
from frontend.scope import scope_of
from frontend.shown.differences import Group, groups_of
from machines.models import Release
from policy import state
from policy.document.differences import compare
from policy.models import Revision
from policy.permissions import may


@login_required
@require_safe
def revisions(request: HttpRequest, tree: str, version: str) -> HttpResponse:
    """Every revision; ``?from=`` and ``?to=`` (numbers) compare two of them.

    Context: scope, release, revisions, first and second (those compared), groups, may_edit.
    """
    scope = scope_of(request, tree, version)
    release = scope.release
    listed = list(
        release.revisions.select_related("published_by", "change_request").defer(
            "content", "change_request__content"
        )
    )
    first, second = (_asked(request, release, end) for end in ("from", "to"))
    groups: list[Group] = []
    if first is not None and second is not None:
        found = compare(state.policy_of(first), state.policy_of(second))
        groups = groups_of(found, request.GET.get("all", ""))
    context = {
        "scope": scope,
        "release": release,
        "revisions": listed,
        "first": first,
        "second": second,
        "groups": groups,
        "may_edit": may(request.user, "edit", release.tree),
    }
    return render(request, "pages/revisions.html", context)


def _asked(request: HttpRequest, release: Release, end: str) -> Revision | None:
    """The revision that the address names. Raises Http404 where there is none of that number."""
    asked = request.GET.get(end, "")
    if not asked:
        return None
    number = number_of(asked)
    found = release.revisions.filter(number=number).first() if number else None
    if found is None:
        raise Http404
    return found
