"""The parts that pages are made of, on one page, for whoever builds or reviews them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from frontend.specimens import COMPONENTS, described, specimens


@dataclass(frozen=True, slots=True)
class Drawn:
    """A state of a component as it is drawn."""

    caption: str
    within: str
    html: str


@login_required
@require_safe
def components(request: HttpRequest) -> HttpResponse:
    """Only where LOCKSTEP_COMPONENTS is set. Context: components ([(name, about, [Drawn])])."""
    if not settings.LOCKSTEP_COMPONENTS:
        raise Http404
    found = []
    for name, states in groupby(specimens(), key=lambda item: item.name):
        drawn = [
            Drawn(
                state.caption,
                state.within,
                render_to_string(f"{COMPONENTS}/{name}.html", dict(state.context), request),
            )
            for state in states
        ]
        found.append((name, described(name), drawn))
    return render(request, "pages/components.html", {"components": found})
