"""The OpenAPI description as people read it: the calls in groups, and the shapes that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from frontend.api.schema import document, operations


@dataclass(frozen=True, slots=True)
class Value:
    """A parameter or a field: its type in words, and the shape that it links to, if any."""

    name: str
    type: str
    shape: str
    is_required: bool
    text: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call answers with where it succeeds."""

    status: str
    type: str
    shape: str


@dataclass(frozen=True, slots=True)
class Call:
    """One method of one address. ``problems`` are the statuses of errors."""

    identity: str
    method: str
    path: str
    text: str
    scope: str
    parameters: tuple[Value, ...]
    takes: tuple[Answer, ...]
    answers: tuple[Answer, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """An object that is sent or answered."""

    name: str
    text: str
    fields: tuple[Value, ...]
    values: tuple[str, ...]


@cache
def calls() -> Mapping[str, tuple[Call, ...]]:
    """Group → its calls, in the order of the addresses."""
    groups: dict[str, list[Call]] = {}
    for path, method, operation in operations(document()):
        groups.setdefault(operation["tags"][0], []).append(_call(path, method, operation))
    return {name: tuple(found) for name, found in groups.items()}


@cache
def shapes() -> tuple[Shape, ...]:
    """Every object that a call names, by name."""
    found = document()["components"]["schemas"]
    return tuple(_shape(name, schema) for name, schema in sorted(found.items()))


def shapes_of(chosen: Iterable[Call]) -> tuple[Shape, ...]:
    """The objects that these calls name, those that are named in turn, and that of problems."""
    chosen = tuple(chosen)
    if not chosen:
        return ()
    known = {shape.name: shape for shape in shapes()}
    named = dict.fromkeys(["Problem", *(name for call in chosen for name in _named(call))])
    waiting = list(named)
    for name in waiting:
        for field in known[name].fields if name in known else ():
            if field.shape and field.shape not in named:
                named[field.shape] = None
                waiting.append(field.shape)
    return tuple(known[name] for name in sorted(named) if name in known)


def _named(call: Call) -> Iterator[str]:
    yield from (item.shape for item in (*call.takes, *call.answers) if item.shape)
    yield from (item.shape for item in call.parameters if item.shape)


def _call(path: str, method: str, operation: Mapping[str, Any]) -> Call:
    answers = operation["responses"]
    return Call(
        identity=operation["operationId"],
        method=method.upper(),
        path=path,
        text=operation["description"],
        scope=operation["x-scope"],
        parameters=tuple(_parameters(operation)),
        takes=tuple(_contents("", operation.get("requestBody", {}))),
        answers=tuple(
            answer
            for status in answers
            if int(status) < 400
            for answer in _contents(status, answers[status])
        ),
        problems=tuple(status for status in answers if int(status) >= 400),
    )


def _parameters(operation: Mapping[str, Any]) -> Iterator[Value]:
    for named in operation.get("parameters", ()):
        item = _resolved(named)
        words, shape = _type(item["schema"])
        text, required = item.get("description", ""), item.get("required", False)
        yield Value(item["name"], words, shape, required, text, item["in"])


def _contents(status: str, body: Mapping[str, Any]) -> Iterator[Answer]:
    content = body.get("content", {})
    if not content:
        if status:
            yield Answer(status, "", "")
        return
    for kind, media in content.items():
        words, shape = _type(media.get("schema", {}))
        yield Answer(status, words if kind == "application/json" else f"{words} ({kind})", shape)


def _shape(name: str, schema: Mapping[str, Any]) -> Shape:
    required = schema.get("required", ())
    fields = (
        Value(field, *_type(of), field in required, of.get("description", ""))
        for field, of in schema.get("properties", {}).items()
    )
    text = "" if "enum" in schema else schema.get("description", "")
    return Shape(name, text, tuple(fields), tuple(map(str, schema.get("enum", ()))))


def _type(schema: Mapping[str, Any]) -> tuple[str, str]:
    """A schema in words, and the name of the shape that it is made of, or an empty one."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return name, name
    for several in ("allOf", "oneOf", "anyOf"):
        if several in schema:
            return _type(schema[several][0])
    if schema.get("type") == "array":
        words, shape = _type(schema["items"])
        return f"list of {words}", shape
    words = schema.get("format") or schema.get("type", "anything")
    if "enum" in schema:
        words = " | ".join(str(value) for value in schema["enum"])
    return f"{words} or null" if schema.get("nullable") else words, ""


def _resolved(item: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in item:
        return item
    found: Any = document()
    for part in item["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found  # type: ignore[no-any-return]
