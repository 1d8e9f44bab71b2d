"""Search over everything: a page, and the hits that the search box shows as one types."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from frontend.access import person_of
from frontend.navigation import LAST_RELEASE
from frontend.searching import SHOWN
from frontend.searching import search as find
from frontend.swaps import is_swap, respond

#: Hits of one kind in the box.
IN_BOX = 5


@login_required
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Context: q, found (of Group), count (of the hits shown)."""
    text = request.GET.get("q", "").strip()
    limit = IN_BOX if is_swap(request) else SHOWN
    found = find(text, person_of(request), request.session.get(LAST_RELEASE), limit)
    context = {"q": text, "found": found, "count": sum(len(group.hits) for group in found)}
    return respond(request, "pages/search.html", "partials/search_hits.html", context)
