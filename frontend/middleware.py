"""What every request goes through."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from frontend import uploads
from frontend.api.problems import problem_instead
from machines.looks import look


def refuse_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer an address with a NUL character with 400: PostgreSQL takes none in any text."""

    def answer(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            raise SuspiciousOperation("The address holds a NUL character.")
        return get_response(request)

    return answer


def refuse_large(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Answer what is larger than its address takes with 413, before anything of it is read.

    A form's files would be written to the disk before any view, or its token, is looked at.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        if not uploads.is_too_large(request):
            return get_response(request)
        words = _("This is larger than the address takes: nothing of it was read.")
        return HttpResponse(f"{words}\n", status=413, content_type="text/plain; charset=utf-8")

    return answer


def one_look(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Whoever only looks sees one state of the data, and each thing is asked for once."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return get_response(request)
        with look():
            return get_response(request)

    return answer


def problems_for_programs(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Answer every error below the API as problem JSON, also where no view of it was reached."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith("/api/v1/"):
            problem_instead(response)
        return response

    return answer
