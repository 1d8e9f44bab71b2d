"""A feature of the library: what carries it, what switches it, and which releases have taken it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from policy import state
from policy.models import ChangeRequest, Feature, Revision
from policy.permissions import may, require


@login_required
@require_safe
def feature(request: HttpRequest, slug: str) -> HttpResponse:
    """Context: feature, revisions (that backport it), changes (open ones that do), may_backport."""
    require(request.user, "view", None)
    found = feature_of(slug)
    context = {
        "feature": found,
        "revisions": revisions_with(slug),
        "changes": open_changes_with(slug),
        "may_backport": may(request.user, "edit", None),
    }
    return render(request, "pages/feature.html", context)


def feature_of(slug: str) -> Feature:
    """The feature of that identifier, or Http404."""
    rows = Feature.objects.select_related("introduced__tree", "created_by")
    found = rows.filter(slug=slug).first()
    if found is None:
        raise Http404
    return found


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
