"""One address, two answers: a whole page, or the part of it that htmx swaps."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers


def is_swap(request: HttpRequest) -> bool:
    """Does htmx ask for a part? Not when it restores a page of the history, nor for a boost."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def respond(
    request: HttpRequest, page: str, partial: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Render ``partial`` for a swap, else ``page``. Caches keep the two apart."""
    response = render(request, partial if is_swap(request) else page, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response
