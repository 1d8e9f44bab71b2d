"""The OpenAPI description of the API, made from its views, and what all addresses share in it.

The problems, the headers and the scopes that hold for every address are told here once instead of
at each view: :func:`shared` adds them to what drf-spectacular has read from the views.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from http import HTTPStatus
from typing import Any

from django.urls import URLPattern
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from frontend.api import repeating
from frontend.api.problems import PROBLEM_TYPE
from frontend.api.scopes import SCOPES, scope_of

READING = (400, 401, 403, 404, 406, 409, 414, 422, 429)
WRITING = (*READING, 413, 415)
EDITING = (*WRITING, 412, 428)
_WORDS = {
    400: "It cannot be read.",
    401: "Nobody is signed in, or the token is none.",
    403: "You may not do this, or the token may not.",
    404: "There is no such thing, or you may not see it.",
    406: "The Accept header leaves out what is answered.",
    409: "Something else was done meanwhile, or is missing.",
    412: "The draft is not the one that If-Match names.",
    413: "The request is too large.",
    414: "The address is longer than 4 KiB.",
    415: "The body is of a kind that is not read.",
    422: "The input is at fault, or the object is in no state for it.",
    428: "It is not said which version of the draft is edited.",
    429: "Too many calls: wait as long as Retry-After says.",
}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "IdempotencyKey": {
        "name": repeating.HEADER,
        "in": "header",
        "description": "A name of your own for this call: sent twice, it is done once.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag of the draft that you looked at, instead of lock_version.",
        "schema": {"type": "string", "pattern": '^"[0-9]{1,9}-[0-9a-f]{16}"$'},
    },
}
#: A note from the view to :func:`shared`, which takes it away.
REPEATABLE = "x-repeatable"
_METHODS = ("get", "post", "put", "delete")


class Description(AutoSchema):
    """How one view is described."""

    def _map_serializer_field(self, field: Any, direction: Any, *args: Any, **kwargs: Any) -> Any:
        """What is None where there is nothing to tell may be null."""
        mapped: Any = super()._map_serializer_field  # ships no types
        found = mapped(field, direction, *args, **kwargs)
        if field.default is None and found and "$ref" not in found:
            found["nullable"] = True
        return found

    def get_operation_id(self) -> str:
        """Named after the address; one that ends with an action is not the one above it."""
        name = super().get_operation_id()
        return f"{name}_action" if self.path.endswith("{action}/") else name

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """What the view says, and for :func:`shared` whether it may be sent twice."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None and self.method == "POST":
            operation[REPEATABLE] = getattr(self.view, "remembers_answers", False)
        return operation


@cache
def document() -> dict[str, Any]:
    """The description as data. The same for everybody, and as long as the process runs."""
    generator: Any = SchemaGenerator  # ships no types
    found: dict[str, Any] = generator().get_schema(request=None, public=True)
    return found


class Kept(SchemaGenerator):
    """The description that was made once: making it takes seconds."""

    def get_schema(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return document()


def shared(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to every address what none of its views says (drf-spectacular's hook)."""
    components = result["components"]
    components["parameters"] = _PARAMETERS
    components["responses"] = {_name(status): _problem(status) for status in sorted(EDITING)}
    # The web server's own answer, as the call has not reached the service.
    components["responses"][_name(414)] = {"description": _WORDS[414]}
    names = _names()
    for path, method, operation in operations(result):
        below_a_change = path.startswith("/api/v1/changes/{pk}/") and method != "get"
        statuses = EDITING if below_a_change else READING if method == "get" else WRITING
        own = {status: of for status, of in operation["responses"].items() if int(status) < 400}
        problems = {
            str(status): {"$ref": f"#/components/responses/{_name(status)}"}
            for status in sorted(statuses)
        }
        operation["responses"] = own | problems
        headers = ["IfMatch"] if below_a_change else []
        if method == "post" and operation.pop(REPEATABLE):
            headers.append("IdempotencyKey")
        if headers:
            operation.setdefault("parameters", []).extend(
                {"$ref": f"#/components/parameters/{name}"} for name in headers
            )
        operation["x-scope"] = _scope(names[path], method)
    return result


def operations(result: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Address, method and description of every call."""
    for path, item in result["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _names() -> dict[str, str]:
    """Address as it is described → its name."""
    from frontend.api.urls import urlpatterns  # which imports the view of this module

    return dict(_told(urlpatterns))


def _told(patterns: Iterable[URLPattern]) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        yield "/api/v1/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern)), pattern.name or ""


def _scope(name: str, method: str) -> str:
    """The scope of a call; of one whose action decides, all that it may be."""
    known = SCOPES.get(name)
    if method == "get" or isinstance(known, str) or known is None:
        return scope_of(method.upper(), name)
    return " or ".join(sorted({*known.values(), scope_of("POST", name)}))


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def _problem(status: int) -> dict[str, Any]:
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    problem: dict[str, Any] = {"description": _WORDS[status], "content": content}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        problem["headers"] = {"Retry-After": seconds}
    return problem
