"""The overview: each tree's releases and their state, what waits for the person, what happened."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend.activity import grouped
from frontend.overview import releases_of
from policy.models import AuditEntry
from policy.permissions import trees_where

RECENT = 8
#: So many entries are looked at: one person's edits of one draft are a single activity.
RECENT_ENTRIES = 80


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Context: trees ([(Tree, [Release])]), recent (Activity)."""
    trees = trees_where(request.user, "view")
    releases = releases_of(trees)
    entries = AuditEntry.objects.defer("before", "after")
    recent = entries[:RECENT_ENTRIES] if trees else ()
    context = {
        "trees": [(tree, list(found)) for tree, found in groupby(releases, attrgetter("tree"))],
        "recent": grouped(recent, RECENT),
    }
    return render(request, "pages/home.html", context)


@login_required
@require_safe
def turns(request: HttpRequest) -> HttpResponse:
    """What waits for the person, with why and since when; every page's context has it."""
    return render(request, "pages/turns.html")
