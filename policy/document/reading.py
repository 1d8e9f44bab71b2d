"""Reading a policy document from its JSON form. What is wrong is told by its path."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, TypeVar

from machines.emulator.catalogue import CatalogueError, CompatProperty
from machines.emulator.catalogue.descriptions import parse_description
from machines.emulator.features import Carrier, FeatureSpec, Gate
from policy.document.values import (
    DECLARABLE,
    MAX_ENTRIES,
    MAX_MACHINE_TYPES,
    MAX_NAME,
    MAX_TEXT,
    SCHEMA,
    Backport,
    CatalogueRef,
    Graft,
    MachineType,
    Migration,
    Mitigation,
    Override,
    Policy,
    Waiver,
)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,+/-]*")
_T = TypeVar("_T")


class DocumentError(ValueError):
    """A document is at fault; ``path`` leads to the entry (``machine_types[3].parent``)."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def from_json(document: Any) -> Policy:
    """Read a policy document. Raises :class:`DocumentError` that names the path to the fault."""
    root = _Reader(document, "policy")
    if root.integer("schema") != SCHEMA:
        raise DocumentError("policy.schema", f"is not {SCHEMA}, the version this program reads")
    release = root.child("release")
    base = root.child("base")
    policy = Policy(
        tree=release.name("tree"),
        version=release.name("version"),
        base=CatalogueRef(
            base.text("release"), base.text("digest"), base.text("stand_in_for", default="")
        ),
        backports=root.items("backports", _backport),
        machine_types=root.items("machine_types", _machine_type),
        overrides=root.items("overrides", _override),
        mitigations=root.items("mitigations", _mitigation),
        migrations=root.items("migrations", _migration),
        devices=root.texts("devices"),
        waivers=root.items("waivers", _waiver),
    )
    _check_machine_types(policy)
    return policy


def remembered(document: Any) -> Policy:
    """What :func:`from_json` reads; the same object for the same content while it is in memory."""
    return _read(json.dumps(document))


@lru_cache(maxsize=128)
def _read(text: str) -> Policy:
    return from_json(json.loads(text))


def _check_machine_types(policy: Policy) -> None:
    if len(policy.machine_types) > MAX_MACHINE_TYPES:
        raise DocumentError("policy.machine_types", f"are more than {MAX_MACHINE_TYPES}")
    names = {item.name for item in policy.machine_types}
    seen: set[str] = set()
    for number, item in enumerate(policy.machine_types):
        path = f"policy.machine_types[{number}]"
        if item.name in seen:
            raise DocumentError(f"{path}.name", f"'{item.name}' is there twice")
        seen.add(item.name)
        if item.parent and item.parent not in names:
            raise DocumentError(f"{path}.parent", f"no machine type '{item.parent}' here")
        root = policy.lineage(item.name)[0]
        if root.parent:
            raise DocumentError(f"{path}.parent", f"'{item.name}' is its own ancestor")


class _Reader:
    """An object of the document and the path to it."""

    def __init__(self, document: Any, path: str) -> None:
        if not isinstance(document, dict):
            raise DocumentError(path, "should be an object")
        self.document, self.path = document, path

    def text(self, key: str, *, default: str | None = None) -> str:
        value = self.document.get(key, default)
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise DocumentError(f"{self.path}.{key}", f"should be a text, is {value!r:.60}")
        return value

    def name(self, key: str) -> str:
        value = self.text(key)
        if len(value) > MAX_NAME or not _NAME.fullmatch(value):
            raise DocumentError(f"{self.path}.{key}", f"'{value:.60}' is no valid name")
        return value

    def integer(self, key: str) -> int:
        value = self.document.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
            raise DocumentError(f"{self.path}.{key}", f"should be a whole number: {value!r:.60}")
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        value = self.text(key)
        if value not in choices:
            raise DocumentError(f"{self.path}.{key}", f"'{value:.60}' is none of {list(choices)}")
        return value

    def day(self, key: str) -> str:
        value = self.text(key)
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError as error:
            problem = f"'{value:.60}' is no date such as 2027-01-31"
            raise DocumentError(f"{self.path}.{key}", problem) from error

    def child(self, key: str) -> _Reader:
        return _Reader(self.document.get(key), f"{self.path}.{key}")

    def _list(self, key: str) -> Iterator[tuple[str, Any]]:
        value = self.document.get(key, [])
        if not isinstance(value, list) or len(value) > MAX_ENTRIES:
            raise DocumentError(f"{self.path}.{key}", f"should be a list (at most {MAX_ENTRIES})")
        for number, item in enumerate(value):
            yield f"{self.path}.{key}[{number}]", item

    def items(self, key: str, read: Callable[[_Reader], _T]) -> tuple[_T, ...]:
        return tuple(read(_Reader(item, path)) for path, item in self._list(key))

    def texts(self, key: str) -> tuple[str, ...]:
        found = []
        for path, item in self._list(key):
            if not isinstance(item, str) or len(item) > MAX_TEXT:
                raise DocumentError(path, f"should be a text, is {item!r:.60}")
            found.append(item)
        return tuple(found)


def _entry(reader: _Reader) -> CompatProperty:
    return CompatProperty(
        reader.name("driver"),
        reader.name("property"),
        reader.text("value"),
        reader.text("array", default=""),
    )


def _machine_type(reader: _Reader) -> MachineType:
    return MachineType(
        name=reader.name("name"),
        parent=reader.text("parent", default=""),
        entries=reader.items("entries", _entry),
        note=reader.text("note", default=""),
    )


def _override(reader: _Reader) -> Override:
    return Override(
        device=reader.name("device"),
        section=reader.text("section"),
        version=reader.integer("version"),
        action=reader.choice("action", ("relax", "tighten")),  # type: ignore[arg-type]
        justification=reader.text("justification"),
        machine_type=reader.text("machine_type", default=""),
    )


def _mitigation(reader: _Reader) -> Mitigation:
    return Mitigation(
        started_on=reader.text("started_on"),
        machine_type=reader.name("machine_type"),
        entries=reader.items("entries", _entry),
        reason=reader.text("reason", default=""),
        until=reader.text("until", default=""),
    )


def _migration(reader: _Reader) -> Migration:
    return Migration(
        source=reader.text("source"),
        destination=reader.text("destination"),
        expected=reader.choice("expected", DECLARABLE),
        machine_type=reader.text("machine_type", default=""),
        note=reader.text("note", default=""),
    )


def _waiver(reader: _Reader) -> Waiver:
    return Waiver(
        source=reader.text("source"),
        destination=reader.text("destination"),
        machine_type=reader.text("machine_type", default=""),
        finding=reader.text("finding", default=""),
        bound=reader.text("bound"),
        reason=reader.text("reason"),
        expires=reader.day("expires"),
        about=reader.text("about", default=""),
    )


def _backport(reader: _Reader) -> Backport:
    return Backport(
        feature=feature_from_json(reader.document.get("feature"), f"{reader.path}.feature"),
        introduced=reader.text("introduced", default=""),
        commit=reader.text("commit", default=""),
        tracker=reader.text("tracker", default=""),
        justification=reader.text("justification", default=""),
        grafts=reader.items("grafts", _graft),
    )


def _graft(reader: _Reader) -> Graft:
    description = reader.document.get("description")
    try:
        parse_description(description, f"{reader.path}.description")
    except CatalogueError as error:
        raise DocumentError(error.place, error.problem) from error
    assert isinstance(description, dict)  # noqa: S101 - parse_description has checked it
    return Graft(reader.text("section"), description)


def feature_from_json(document: Any, path: str = "feature") -> FeatureSpec:
    """A feature from its JSON form. Raises :class:`DocumentError`."""
    reader = _Reader(document, path)
    gate = None
    if reader.document.get("gate") is not None:
        gated = reader.child("gate")
        gate = Gate(gated.name("driver"), gated.name("property"), gated.text("on"))
    return FeatureSpec(
        slug=reader.name("slug"),
        title=reader.text("title"),
        device=reader.name("device"),
        carriers=reader.items("carriers", _carrier),
        gate=gate,
    )


def _carrier(reader: _Reader) -> Carrier:
    return Carrier(
        section=reader.text("section"),
        version=None if reader.document.get("version") is None else reader.integer("version"),
        fields=reader.texts("fields"),
        subsection=reader.document.get("subsection") is True,
    )
