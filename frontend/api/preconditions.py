"""Against lost updates: the ``ETag`` of a draft, and calls that are only meant for that one.

The tag names the version of the draft, on every answer that tells a change request: it is what an
edit is made from. Votes and trials come and go beside it, so no cache may keep such an answer.
A stale ``If-Match`` is answered with 412 and with what others changed meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from frontend.access import visible_change
from machines.catalogue import NoCatalogue
from policy import history
from policy.errors import Conflict, Invalid, PolicyError
from policy.models import ChangeRequest

#: Where an address that is about one change request begins.
BELOW_A_CHANGE = "api/v1/changes/<int:pk>/"
VERSION = "lock_version"
_TAG = re.compile(r'"(\d{1,9})-[0-9a-f]{16}"')
_TAGS = re.compile(r'\s*(?:W/)?"[^"]*"\s*(?:,\s*(?:W/)?"[^"]*"\s*)*')

Handler = Callable[..., Response]
#: What a handler raises where the call is at fault.
REFUSALS = (APIException, PolicyError, PermissionDenied, Http404, NoCatalogue)


class PreconditionRequired(APIException):
    """An edit that does not say what it was made from."""

    status_code = 428
    default_detail = (
        f"Say which version of the draft you edit: send If-Match with its ETag, or {VERSION}."
    )


def tag(version: int, digest: str) -> str:
    """The ETag of a draft."""
    return f'"{version}-{digest[:16]}"'


def told(data: Any) -> str | None:
    """The tag of the draft that an answer tells, if it tells one."""
    if isinstance(data, Mapping) and isinstance(data.get("digest"), str) and data.get(VERSION):
        return tag(data[VERSION], data["digest"])
    return None


def held(handler: Handler) -> Handler:
    """The handler of a call on a change request, reached only where ``If-Match`` holds; and until
    the call is done nobody else edits it."""

    def answer(request: Request, *args: Any, **kwargs: Any) -> Response:
        asked = _asked(request)
        if asked is None:
            return handler(request, *args, **kwargs)
        refusal = None
        with transaction.atomic():
            list(ChangeRequest.objects.select_for_update().filter(pk=kwargs["pk"]).values("pk"))
            _check(visible_change(request.user, kwargs["pk"]), asked)
            try:
                response = handler(request, *args, **kwargs)
            except REFUSALS as error:
                # Raised only after the end of the transaction: what the handler recorded stays.
                refusal = error
        if refusal is not None:
            raise refusal
        return response

    return answer


def _asked(request: Request) -> str | None:
    """The tags that a call on a change request names; None where any draft will do."""
    asked = request.headers.get("If-Match")
    match = request.resolver_match
    if asked is None or match is None or not match.route.startswith(BELOW_A_CHANGE):
        return None
    asked = asked.strip()
    if asked == "*":
        return None
    if not _TAGS.fullmatch(asked):
        raise Invalid("It holds entity tags, each in double quotes, or *.", field="If-Match")
    return asked


def _check(change: ChangeRequest, asked: str) -> None:
    if tag(change.lock_version, change.digest) not in re.findall(r'(?:W/)?"[^"]*"', asked):
        raise Conflict(
            "The draft is no longer the one that If-Match names; nothing of yours was written.",
            current_version=change.lock_version,
            meanwhile=history.since(change, _named(asked) or 0),
        )


def with_version(data: Any, request: Request) -> Any:
    """The data of an edit with its version: its own, or the one that ``If-Match`` names.

    Raises PreconditionRequired where it has neither.
    """
    if not isinstance(data, Mapping) or VERSION in data:
        return data
    version = _named(request.headers.get("If-Match", ""))
    if version is None:
        raise PreconditionRequired
    return {**data, VERSION: version}


def _named(asked: str) -> int | None:
    # Of several tags the present one was found among them, and no version comes after that.
    versions = [int(number) for number in _TAG.findall(asked)]
    return max(versions, default=None)
