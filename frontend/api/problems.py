"""What went wrong, as problem JSON."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import set_rollback

from machines.catalogue import NoCatalogue
from policy.edits.whole import MergeNeeded
from policy.errors import Conflict, Forbidden, PolicyError

#: Differences that one answer tells of at most.
MAX_DIFFERENCES = 500
PROBLEM_TYPE = "application/problem+json"


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Any error that is somebody's fault, as problem JSON; None for a fault of the program."""
    status, document = _problem(error)
    if status is None:
        return None
    set_rollback()
    document = {"title": HTTPStatus(status).phrase, "status": status, **document}
    response = Response(document, status=status, content_type=PROBLEM_TYPE)
    if isinstance(error, APIException) and (wait := getattr(error, "wait", None)):
        response["Retry-After"] = str(int(wait))
    return response


def _problem(error: Exception) -> tuple[int | None, dict[str, Any]]:
    match error:
        case Forbidden() | PermissionDenied():
            return 403, {"detail": str(error) or "You may not do this."}
        case Conflict():
            return 409, _policy_problem(error) | _both_sides(error)
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
    if isinstance(error, MergeNeeded):
        document["conflicts"] = [asdict(item) for item in error.conflicts]
    return document


def _policy_problem(error: PolicyError) -> dict[str, Any]:
    document = {"detail": str(error)}
    return document | {"field": error.field} if error.field else document
