"""What is done with many rows of a list: asked for, tried with every row, done.

Each step is a POST that carries the selection along, so that a page that was left and come back to
asks again. Where a list's filter fits other rows by then, that is said, and nothing is done (409).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from frontend.access import person_of, put_into
from frontend.bulk import ACTIONS
from frontend.bulk.tasks import BulkAction, DryRun, Outcome, Task
from frontend.lists.listing import Asked, Listing
from frontend.lists.selection import MAX_ROWS, Selection, selection_of
from frontend.numbers import number_of
from frontend.scope import scope_of
from frontend.views.keeping import back_from
from frontend.views.lists import LISTINGS
from policy.errors import Forbidden, PolicyError

PAGE = "pages/bulk.html"
#: Of the rows that can be done the first ones are listed; of those that cannot, all.
SHOWN = 200


@login_required
@require_http_methods(["GET", "POST"])
def bulk(request: HttpRequest, name: str, action: str) -> HttpResponse:
    """Context: see :func:`_page`. The query holds the parts of the list's address, if any."""
    does = ACTIONS.get((name, action))
    if does is None:
        raise Http404
    where = {key: request.GET[key] for key in ("tree", "version") if key in request.GET}
    try:
        address = reverse(name, kwargs=where)
    except NoReverseMatch as error:  # a release's list without its release, or another with one
        raise Http404 from error
    if request.method == "GET":  # a page that was reloaded by hand: begin where rows are chosen
        return redirect(address)
    query = QueryDict(request.POST.get("filter", ""), mutable=True)
    query["filters"] = "own"
    listing = LISTINGS[name](Asked(request, query, where))
    if action not in {item.name for item in listing.actions}:
        raise Forbidden(_("You have no role that lets you do this."))
    selection = selection_of(listing, request.POST)
    if refused := _refused(selection):
        messages.error(request, refused)
        return redirect(back_from(request))
    scope = scope_of(request, **where) if where else None
    seen = number_of(request.POST.get("tried", ""))
    task = Task(person_of(request), listing.kind, selection.rows, scope, {}, seen)
    return _step(request, does, listing, selection, task)


def _refused(selection: Selection) -> str:
    """Why there is nothing to do with a selection."""
    if selection.is_too_large:
        return _("At most %(limit)d rows at once: filter the list.") % {"limit": MAX_ROWS}
    return "" if selection.rows else _("Choose at least one row.")


def _step(
    request: HttpRequest, does: BulkAction, listing: Listing, selection: Selection, task: Task
) -> HttpResponse:
    """``step``: empty to be asked, ``try`` to see what would happen, ``do`` to have it done."""
    step = request.POST.get("step", "")
    form: Any = does.form(task, request.POST if step else None)
    if not step and not form.fields:
        step, form = "try", does.form(task, request.POST)
    if not step:
        return _page(request, does, listing, selection, form)
    if not form.is_valid():
        return _page(request, does, listing, selection, form, status=422)
    task = replace(task, data=form.cleaned_data)
    try:
        tried = does.try_out(task)
        if step != "do":
            return _page(request, does, listing, selection, form, tried)
        if selection.moved:
            return _page(request, does, listing, selection, form, tried, status=409)
        return _done(request, does, listing, selection, task, form, tried)
    except PolicyError as error:
        put_into(form, error)
        return _page(request, does, listing, selection, form, status=form.http_status)


def _done(
    request: HttpRequest, does: BulkAction, listing: Listing, selection: Selection, task: Task,
    form: Any, tried: DryRun,
) -> HttpResponse:  # fmt: skip
    """Do it where every row can be done, or where the person leaves out those that cannot."""
    leaves_out = request.POST.get("without") == "faulty"
    if not tried.good or (tried.faulty and not leaves_out):
        return _page(request, does, listing, selection, form, tried, status=422)
    key = listing.kind.key
    rows = [row for row in task.rows if key(row) not in tried.faulty]
    done = does.do(replace(task, rows=rows))
    messages.success(request, done.words)
    return redirect(done.address or back_from(request))


def _page(
    request: HttpRequest,
    does: BulkAction,
    listing: Listing,
    selection: Selection,
    form: Any,
    tried: DryRun | None = None,
    status: int = 200,
) -> HttpResponse:
    """``tried``: every row's outcome, those with an error first, and ``left_out``, how many of the
    others are not listed; ``place``: the query that the form's address needs; ``back``.
    """
    faulty, others = _sorted(tried)
    context = {
        "does": does,
        "listing": listing,
        "selection": selection,
        "form": form,
        "tried": tried,
        "outcomes": [*faulty, *others[:SHOWN]],
        "left_out": max(0, len(others) - SHOWN),
        "rows": [(listing.kind.key(row), listing.kind.called(row)) for row in selection.rows],
        "place": f"?{urlencode(request.GET)}" if request.GET else "",
        "back": back_from(request),
        "scope": scope_of(request, **listing.where) if listing.where else None,
    }
    return render(request, PAGE, context, status=status)


def _sorted(tried: DryRun | None) -> tuple[list[Outcome], list[Outcome]]:
    if tried is None:
        return [], []
    faulty = [item for item in tried.outcomes if item.key in tried.faulty]
    return faulty, [item for item in tried.outcomes if item.key not in tried.faulty]
