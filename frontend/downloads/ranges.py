"""Bytes that never change, as an answer: with an ETag, and in parts where somebody asks for one.

Source: RFC 9110, 13.1.2 (If-None-Match), 13.1.5 (If-Range), 14 (Range Requests).
"""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse

_RANGE = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))")


def answer(request: HttpRequest, content: bytes, *, digest: str, content_type: str) -> HttpResponse:
    """200 with all of it, 206 with the part that was asked for, 304 where it is known already, or
    416 where there is no such part. ``digest`` names the content. Several parts at once are not
    given: then all of it is.
    """
    etag = f'"{digest}"'
    if _names(request.headers.get("If-None-Match", ""), etag):
        response = HttpResponse(status=304)
    else:
        response = _part(request, content, etag)
        response["Content-Type"] = content_type
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    return response


def _names(header: str, etag: str) -> bool:
    """Does ``If-None-Match`` name the content? A weak name is good enough for it."""
    listed = [item.strip().removeprefix("W/") for item in header.split(",")]
    return etag in listed or listed == ["*"]


def _part(request: HttpRequest, content: bytes, etag: str) -> HttpResponse:
    asked = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if asked is None or request.headers.get("If-Range", etag) != etag:
        return HttpResponse(content)
    size = len(content)
    if asked[3] is not None:
        start, end = max(size - int(asked[3]), 0), size
        if not int(asked[3]):
            start = size
    else:
        start, end = int(asked[1]), min(int(asked[2]) + 1, size) if asked[2] else size
        if asked[2] and int(asked[2]) < start:
            return HttpResponse(content)  # no range at all (14.1.1)
    if start >= size:
        response = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{size}"
        return response
    response = HttpResponse(content[start:end], status=206)
    response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response
