"""The keys that work on pages: a page of its own, and what ``?`` shows in a dialog."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from frontend.shortcuts import GROUPS
from frontend.swaps import respond


@login_required
@require_safe
def shortcuts(request: HttpRequest) -> HttpResponse:
    """Context: groups ([(title, [Shortcut])]); the sidebar's own keys come with every page."""
    context = {"groups": GROUPS}
    return respond(request, "pages/shortcuts.html", "partials/shortcuts.html", context)
