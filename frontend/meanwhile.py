"""What others did to a draft while a person was editing it: said afterwards, or asked about.

An edit of an older version is merged with what is there. Where both changed the same it is kept,
and its author is led to the page where they choose what stays.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django_htmx.http import HttpResponseClientRedirect

from frontend.access import person_of
from policy import history
from policy.edits import unmerged
from policy.errors import MergeNeeded
from policy.models import ChangeRequest

#: Things that a message names; the change request's page tells all.
MAX_NAMED = 3


def tell(request: HttpRequest, edited: ChangeRequest, seen: int) -> None:
    """Say what came between the version that the person saw and their edit, if anything did."""
    found = history.meanwhile(edited, seen)
    if found is None or not found.differences:
        return
    labels = [item.label for item in found.differences[:MAX_NAMED]]
    more = len(found.differences) - len(labels)
    if more:
        labels.append(ngettext("%(n)d more", "%(n)d more", more) % {"n": more})
    words = {"people": ", ".join(found.people), "things": "; ".join(labels)}
    messages.info(
        request, _("Meanwhile %(people)s edited: %(things)s. Both edits are in the draft.") % words
    )


class AskInstead:
    """Middleware: an edit that met another's leads to the page where its author chooses."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, MergeNeeded):
            return None
        kept = unmerged.keep(person_of(request), error)
        address = reverse("change-merge", args=[kept.change_request_id, kept.pk])
        if getattr(request, "htmx", False):
            return HttpResponseClientRedirect(address)
        return redirect(address)
