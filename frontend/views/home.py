"""The overview: each tree's releases and their state, what waits for the person, what happened."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend.shown.activity import grouped
from frontend.shown.overview import cards, releases_of
from policy.models import AuditEntry
from policy.permissions import trees_where

RECENT = 8
#: So many entries are looked at: one person's edits of one draft are a single activity.
RECENT_ENTRIES = 80
#: So many turns are listed; the page "Your turn" has all.
WAITING = 6


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Context: cards (TreeCard), recent (Activity), shown_turns (how many are listed),
    may_edit, may_import (primary keys of trees).
    """
    trees = trees_where(request.user, "view")
    entries = AuditEntry.objects.defer("before", "after")
    recent = entries[:RECENT_ENTRIES] if trees else ()
    context = {
        "cards": cards(releases_of(trees)) if trees else [],
        "recent": grouped(recent, RECENT),
        "shown_turns": WAITING,
        "may_edit": trees_where(request.user, "edit"),
        "may_import": trees_where(request.user, "import"),
    }
    return render(request, "pages/home.html", context)


@login_required
@require_safe
def turns(request: HttpRequest) -> HttpResponse:
    """What waits for the person, with why and since when; every page's context has it."""
    return render(request, "pages/turns.html")
