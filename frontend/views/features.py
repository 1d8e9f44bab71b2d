"""A feature of the library: what carries it, what switches it, and which releases have taken it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend.questions.backporting import open_changes_with, revisions_with
from policy.models import Feature
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
