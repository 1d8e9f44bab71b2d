"""What every edit checks of its input. Each raises :class:`Invalid` with the field at fault."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from machines.catalogue import NoCatalogue
from machines.emulator import qdev
from machines.emulator.catalogue import Catalogue, CompatProperty
from machines.models import Release
from policy import rules, state
from policy.document import (
    MachineType,
    Policy,
)
from policy.document.files import MAX_DEPTH
from policy.errors import Invalid
from policy.exporters import formats

_T = TypeVar("_T")
MAX_TITLE = 200
MAX_VALUE = 1000
MAX_WORDS = 10_000


def base_of(policy: Policy) -> Catalogue:
    """The catalogue that the policy stands on."""
    try:
        return state.base_catalogue(policy.base)[0]
    except NoCatalogue as error:
        raise Invalid(str(error)) from error


def machine_type_of(policy: Policy, name: str, field: str = "machine_type") -> MachineType:
    """The policy's machine type of that name."""
    found = policy.machine_type(name)
    if found is None:
        raise Invalid(f"{policy.label} has no machine type '{name}'.", field=field)
    return found


def at(items: Sequence[_T], position: int, field: str = "position") -> _T:
    """The item at a position from 0."""
    if not 0 <= position < len(items):
        raise Invalid(f"There is nothing at position {position}.", field=field)
    return items[position]


def without(items: Sequence[_T], position: int) -> tuple[_T, ...]:
    """All but the item at a position from 0."""
    at(items, position)
    return (*items[:position], *items[position + 1 :])


def release_of(policy: Policy) -> Release:
    """The release that the policy is for."""
    found = state.release_of(policy.label)
    if found is None:
        raise Invalid(f"There is no release '{policy.label}'.", field="release")
    return found


def check_label(label: str, field: str) -> None:
    """There must be a release of that label."""
    line(label, field)
    if state.release_of(label) is None:
        raise Invalid(f"There is no release '{label}'.", field=field)


def check_value(policy: Policy, entry: CompatProperty, field: str = "value") -> None:
    """A value must be of its property's type, where the policy's release knows the property, and
    one that every format of a bundle can hold."""
    catalogue = rules.effective_catalogue(base_of(policy), policy.backports)
    info = qdev.property_of(catalogue, entry.driver, entry.property)
    problem = qdev.check_value(info, entry.value) if info is not None else None
    if problem is not None:
        raise Invalid(f"{entry.driver}.{entry.property}: {problem}.", field=field)
    if unwritable := formats.problems((entry,)):
        raise Invalid(f"{unwritable[0]}.", field=field)


def title_of(text: str) -> str:
    """A title: one line, and not none."""
    title = line(text, "title")
    if not title:
        raise Invalid("Give it a title.", field="title")
    if len(title) > MAX_TITLE:
        raise Invalid(f"A title has at most {MAX_TITLE} characters.", field="title")
    return title


def word(text: str, field: str) -> str:
    """A name: one word, and not none."""
    name = line(text, field)
    if not name:
        raise Invalid("This is needed.", field=field)
    if " " in name:
        raise Invalid(f"'{name:.60}' is no valid name.", field=field)
    return name


def value_of(text: str, field: str = "value") -> str:
    """A property's value. An empty one is valid: it switches some properties off."""
    value = line(text, field)
    if len(value) > MAX_VALUE:
        raise Invalid(f"A value has at most {MAX_VALUE} characters.", field=field)
    return value


def line(text: str, field: str) -> str:
    """A single line of text, without the space around it."""
    stripped = words(text, field)
    if not stripped.isprintable():
        raise Invalid("This takes a single line of text.", field=field)
    return stripped


def words(text: str, field: str) -> str:
    """Text that a database can hold, without the space around it."""
    stripped = text.strip()
    if len(stripped) > MAX_WORDS:
        raise Invalid(f"This takes at most {MAX_WORDS} characters.", field=field)
    if "\0" in stripped or any("\ud800" <= character <= "\udfff" for character in stripped):
        raise Invalid("This holds a character that is none.", field=field)
    return stripped


def check_values(value: Any, path: str, depth: int = 0) -> None:
    """JSON data may hold nothing that no database holds: half characters, NUL, numbers without an
    end. ``field`` of what is raised is the path."""
    if depth > MAX_DEPTH:
        raise Invalid(f"{path:.200}: nests too deep", field=path)
    if isinstance(value, str):
        try:
            words(value[:MAX_WORDS], path)
        except Invalid as error:
            raise Invalid(f"{path}: {error}", field=path) from error
    elif isinstance(value, float) and not math.isfinite(value):
        raise Invalid(f"{path}: should be a number", field=path)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_values(key, f"{path}.{key:.60}", depth)
            # Shortened, as a path is: every value below has it once more.
            check_values(item, f"{path}.{key:.60}", depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            check_values(item, f"{path}[{number}]", depth + 1)
