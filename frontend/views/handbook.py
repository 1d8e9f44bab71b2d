"""The REST API's own description, as a page."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend.api.handbook import calls, shapes


@login_required
@require_safe
def handbook(request: HttpRequest) -> HttpResponse:
    """Every call and every shape of the API: the same for everybody."""
    return render(request, "pages/handbook.html", {"groups": calls(), "shapes": shapes()})
