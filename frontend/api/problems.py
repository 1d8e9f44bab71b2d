"""What went wrong, as problem JSON (RFC 9457), wherever in the service it went wrong."""

from __future__ import annotations

import json
from dataclasses import asdict
from http import HTTPStatus
from math import ceil
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import set_rollback

from machines.catalogue import NoCatalogue
from policy.edits.operations import Refused
from policy.errors import Conflict, Forbidden, PolicyError, TooMany

#: Differences that one answer tells of at most.
MAX_DIFFERENCES = 500
PROBLEM_TYPE = "application/problem+json"


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Any error that is somebody's fault, as problem JSON; None for a fault of the program."""
    status, document = _problem(error)
    if status is None:
        return None
    if isinstance(error, Conflict) and "If-Match" in context["request"].headers:
        status = HTTPStatus.PRECONDITION_FAILED
    set_rollback()
    document = {"title": HTTPStatus(status).phrase, "status": int(status), **document}
    response = Response(document, status=status, content_type=PROBLEM_TYPE)
    if (wait := getattr(error, "wait", None)) is not None:
        response["Retry-After"] = str(ceil(wait))
    if (scheme := getattr(error, "auth_header", None)) is not None:
        response["WWW-Authenticate"] = scheme
    return response


#: What the service says below the API where none of its views was reached.
_SENTENCES = {
    400: "The request cannot be read.",
    404: "There is no such address. Every one ends with a slash, but that of a download.",
    413: "The request is too large.",
    500: "The service failed. Whoever runs it finds the reason in its log.",
}


def problem_instead(response: HttpResponseBase) -> None:
    """Make a problem of a page that says that something went wrong."""
    if not isinstance(response, HttpResponse) or response.status_code < 400:
        return
    if response.headers.get("Content-Type", "").startswith(PROBLEM_TYPE):
        return
    title = HTTPStatus(response.status_code).phrase
    detail = _SENTENCES.get(response.status_code, f"{title}.")
    document = {"title": title, "status": response.status_code, "detail": detail}
    response.content = json.dumps(document).encode()
    response["Content-Type"] = PROBLEM_TYPE
    response["Content-Length"] = str(len(response.content))


def _problem(error: Exception) -> tuple[int | None, dict[str, Any]]:
    match error:
        case Forbidden() | PermissionDenied():
            return 403, {"detail": str(error) or "You may not do this."}
        case Conflict():
            return 409, _policy_problem(error) | _both_sides(error)
        case TooMany():
            return 429, _policy_problem(error)
        case Refused():
            at_fault = [asdict(problem) for problem in error.problems]
            return 422, _policy_problem(error) | {"operations": at_fault}
        case PolicyError():
            return 422, _policy_problem(error)
        case NoCatalogue():
            return 409, {"detail": str(error)}
        case Http404():
            return 404, {"detail": "There is no such thing, or you may not see it."}
        case ValidationError():
            return 422, {"detail": "The input is at fault.", "errors": error.detail}
        case APIException():
            return error.status_code, {"detail": str(error.detail)}
    return None, {}


def _both_sides(error: Conflict) -> dict[str, Any]:
    """What the loser of a race needs to bring both together."""
    document: dict[str, Any] = {"current_version": error.current_version}
    if error.meanwhile:
        document["meanwhile"] = [asdict(item) for item in error.meanwhile[:MAX_DIFFERENCES]]
    if error.conflicts:
        document["conflicts"] = [asdict(item) for item in error.conflicts]
    return document


def _policy_problem(error: PolicyError) -> dict[str, Any]:
    document = {"detail": str(error)}
    return document | {"field": error.field} if error.field else document
