"""The REST API's own description, as pages: an index of all calls, and a page for each group."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend.api.handbook import calls, shapes_of


@login_required
@require_safe
def handbook(request: HttpRequest) -> HttpResponse:
    """Every call of the API, the same for everybody; ``?group=changes`` tells all of one group.

    Context: groups (name → calls), group (empty: the index), calls and shapes of the group.
    """
    groups, name = calls(), request.GET.get("group", "")
    if name and name not in groups:
        raise Http404(f"The API has no group {name}.")
    chosen = groups.get(name, ())
    context = {"groups": groups, "group": name, "calls": chosen, "shapes": shapes_of(chosen)}
    return render(request, "pages/handbook.html", context)
