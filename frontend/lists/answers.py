"""How a list answers: the whole page, the part of it that htmx swaps, or a file of its rows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers

from frontend.lists import export
from frontend.lists.listing import Listing
from frontend.swaps import is_swap

#: The parts of a page that are swapped: the whole list where a filter is taken off, else its rows.
ROWS, LIST = "partials/list_rows.html", "partials/list.html"


def answer(
    request: HttpRequest,
    listing: Listing,
    page: str,
    context: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponseBase:
    """The list as it was asked for. ``context`` is what the page needs beside ``listing``."""
    if request.method in ("GET", "HEAD"):
        if "export" in request.GET:
            return export.answer(listing, request.GET["export"])
        if listing.redirect:
            return redirect(listing.redirect)
    template = page
    if is_swap(request):
        template = LIST if request.headers.get("HX-Target") == "list" else ROWS
    known = {"listing": listing, **(context or {})}
    response: HttpResponse = render(request, template, known, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response
