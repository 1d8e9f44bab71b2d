"""How far a person has read a change request: each of its objects is marked, or no longer."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from frontend.access import person_of, visible_change
from frontend.swaps import is_swap
from frontend.views.change_tabs.lines import Card, Cards, shown_card
from policy.errors import Invalid
from policy.models import ChangeRequest
from policy.review import reading, workflow


@login_required
@require_POST
def object_read(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """What the change does to this object is read."""
    change = visible_change(request.user, pk)
    try:
        reading.mark(change, person_of(request), key, request.POST.get("digest", ""))
    except Invalid as error:
        messages.warning(request, str(error))
        return _answer(request, change, key, status=409)
    return _answer(request, change, key)


@login_required
@require_POST
def object_unread(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """It has to be read once more."""
    change = visible_change(request.user, pk)
    reading.unmark(change, person_of(request), key)
    return _answer(request, change, key)


def _answer(
    request: HttpRequest, change: ChangeRequest, key: str, status: int = 200
) -> HttpResponse:
    """The object as it stands now, with how many are read; or back to the page."""
    card, cards = shown_card(change, request.user, key)
    if not is_swap(request) or card is None:
        return redirect(f"{reverse('change', args=[change.pk])}?tab=changes#{_next(cards, key)}")
    context = {
        "change": change,
        "card": card,
        "shown": cards,
        "may_mark": change.is_open,
        "available": workflow.available(change, request.user),
    }
    return render(request, "partials/change_object_swap.html", context, status=status)


def _next(cards: Cards, key: str) -> str:
    """The fragment of the first object after this one that is not read; this one's where all are.

    A key of none leads to the first.
    """
    keys = [card.changed.key for card in cards.cards]
    at = keys.index(key) + 1 if key in keys else 0
    unread: list[Card] = [
        card for card in (*cards.cards[at:], *cards.cards[:at]) if not card.is_read
    ]
    return f"object-{unread[0].changed.key if unread else key}"
