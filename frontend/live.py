"""Parts of pages that come again by themselves (static/js/live.js), and are sent only when newer.

A page asks with ``Lockstep-Live`` and the tag of what it has. The answer is made as always; where
it says the same as before, 304 goes out in its place. What differs from one rendering to the next
without being news (a form's token, how long ago something was) does not count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import resolve_url

HEADER = "Lockstep-Live"
_NO_NEWS = re.compile(
    rb'name="csrfmiddlewaretoken" value="[^"]*"'
    rb'|"X-CSRFToken": "[^"]*"'
    rb"|(?<=data-relative>)[^<]*"
)


def tag_of(content: bytes) -> str:
    """An entity tag by what a rendered part says.

    >>> older, newer = b"<time data-relative>a day ago</time>", b"<time data-relative>now</time>"
    >>> tag_of(older) == tag_of(newer)
    True
    """
    return f'W/"{hashlib.sha256(_NO_NEWS.sub(b"", content)).hexdigest()[:16]}"'


def answer_only_news(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Middleware: 304 to a page that asks again and has what it would get."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if HEADER not in request.headers or response.status_code != HTTPStatus.OK:
            return response
        if response.streaming:
            return response
        tag = tag_of(response.content)
        if request.headers.get("If-None-Match") == tag:
            return HttpResponseNotModified(headers={"ETag": tag})
        response.headers["ETag"] = tag
        return response

    return answer


def tell_ended_sessions(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[..., HttpResponse]:
    """Middleware: 401 to htmx where a page would be sent to sign in.

    A redirect would put the sign-in page into the part that is swapped.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if "HX-Request" not in request.headers:
            return response
        target = response.headers.get("Location", "")
        if target.startswith(resolve_url(settings.LOGIN_URL)):
            return HttpResponse(status=HTTPStatus.UNAUTHORIZED)
        return response

    return answer
