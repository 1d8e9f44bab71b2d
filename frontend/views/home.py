"""The overview: each tree's releases and their state, what waits for the person, what happened."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend.overview import releases_of
from policy.models import AuditEntry
from policy.permissions import trees_where

RECENT = 8


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Context: trees ([(Tree, [Release])]), recent (audit entries)."""
    trees = trees_where(request.user, "view")
    releases = releases_of(trees)
    context = {
        "trees": [(tree, list(found)) for tree, found in groupby(releases, attrgetter("tree"))],
        "recent": AuditEntry.objects.all()[:RECENT] if trees else (),
    }
    return render(request, "pages/home.html", context)
