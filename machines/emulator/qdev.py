"""Device types, their inheritance and typed properties, and the order in which values win.

A property's value is decided in layers: the type's default, then the machine type's compat
entries, then the downstream's policy, then the user's own options. Inside a layer the later entry
wins, and an entry on an ancestor type applies to every descendant (hw/core/qdev-properties.c,
``qdev_prop_set_globals``: one pass over the list in order, whatever type an entry names).

    >>> catalogue = Catalogue("1.0", types={"foo": "device", "device": None})
    >>> ancestors(catalogue, "foo")
    ('foo', 'device')
    >>> entries = [Global("device", "x", "on", "compat"), Global("foo", "x", "off", "user")]
    >>> resolve(catalogue, "foo", entries)["x"].value
    'off'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from machines.emulator import bitmap
from machines.emulator.catalogue import Catalogue, CompatProperty, PropertyInfo

Layer = Literal["default", "compat", "policy", "user"]
LAYERS: tuple[Layer, ...] = ("default", "compat", "policy", "user")
_RANK = {layer: rank for rank, layer in enumerate(LAYERS)}

MAX_TEXT = 4096
TRUE_WORDS = frozenset({"on", "yes", "true", "y", "1"})
FALSE_WORDS = frozenset({"off", "no", "false", "n", "0"})

#: The property of every device section, whatever the release lists, and the type it has here.
BLACKLIST_PROPERTY = bitmap.PROPERTY
BITMAP_TYPE = "bitmap"


@dataclass(frozen=True, slots=True)
class Global:
    """One entry (driver, property, value) of a layer; ``origin`` says where it was written."""

    driver: str
    property: str
    value: str
    layer: Layer
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A property's effective value on one driver, and where it came from.

    ``value`` and ``default`` are texts as ``-global`` takes them, None where the release does not
    tell its default. ``matched_type`` is the driver or the ancestor that the winning entry names
    (for a default: the type that declares the property). ``overridden`` are the entries that
    lost, the weakest first. ``type`` is empty where the release knows no such property.
    """

    name: str
    type: str
    value: str | None
    default: str | None
    layer: Layer
    origin: str
    matched_type: str
    overridden: tuple[Global, ...] = ()


def ancestors(catalogue: Catalogue, driver: str) -> tuple[str, ...]:
    """``driver`` first, then its parents up to the root; a cycle in the input ends the walk."""
    found: dict[str, None] = {}
    current: str | None = driver
    while current is not None and current not in found:
        found[current] = None
        current = catalogue.types.get(current)
    return tuple(found)


def properties_of(catalogue: Catalogue, driver: str) -> dict[str, PropertyInfo]:
    """Every property of ``driver``, its own over what it inherits."""
    merged: dict[str, PropertyInfo] = {}
    for name in reversed(ancestors(catalogue, driver)):
        merged.update(catalogue.properties.get(name, {}))
    return merged


def property_of(catalogue: Catalogue, driver: str, name: str) -> PropertyInfo | None:
    """One property of ``driver``, its own or the nearest inherited; None where it has none."""
    for type_name in ancestors(catalogue, driver):
        if info := catalogue.properties.get(type_name, {}).get(name):
            return info
    return None


def text_of(value: Any) -> str | None:
    """A default from QMP as the text that ``-global`` would take: true is ``on``."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def same_value(first: str | None, second: str | None) -> bool:
    """Do two texts mean the same value? ``on`` and ``true`` do, ``0x10`` and ``16`` do."""
    return _canonical(first) == _canonical(second)


def _canonical(text: str | None) -> str | int | bool | None:
    if text is None:
        return None
    word = text.strip().lower()
    if word in TRUE_WORDS - {"1"}:
        return 1
    if word in FALSE_WORDS - {"0"}:
        return 0
    try:
        return int(word, 0)
    except ValueError:
        return text


def compat_globals(entries: Iterable[CompatProperty], origin: str) -> tuple[Global, ...]:
    """A machine type's compat properties as globals; each names its C array where known."""
    return tuple(
        Global(entry.driver, entry.property, entry.value, "compat", entry.array or origin)
        for entry in entries
    )


def resolve(catalogue: Catalogue, driver: str, globals: Sequence[Global]) -> dict[str, Resolved]:
    """The effective value of every property of ``driver``.

    Holds every property that the release lists for the driver, and any further one that an entry
    sets on it or on an ancestor (with an empty ``type``, or ``bitmap`` for a blacklist).
    """
    lineage = ancestors(catalogue, driver)
    resolved: dict[str, Resolved] = {}
    for type_name in reversed(lineage):
        for info in catalogue.properties.get(type_name, {}).values():
            default = text_of(info.default)
            resolved[info.name] = Resolved(
                info.name, info.type, default, default, "default", "type default", type_name
            )
    for name, entries in entries_by_property(lineage, globals).items():
        winner = entries[-1]
        known = resolved.get(name)
        resolved[name] = Resolved(
            name=name,
            type=known.type if known else _type_of_unlisted(name),
            value=winner.value,
            default=known.default if known else None,
            layer=winner.layer,
            origin=winner.origin,
            matched_type=winner.driver,
            overridden=tuple(entries[:-1]),
        )
    return resolved


def effective_value(
    catalogue: Catalogue, driver: str, name: str, globals: Sequence[Global]
) -> str | None:
    """One property's effective value; cheaper than :func:`resolve` where only one is asked.

    None where no entry sets it and the release does not tell the default.
    """
    lineage = ancestors(catalogue, driver)
    entries = entries_by_property(
        lineage, [entry for entry in globals if entry.property == name]
    ).get(name)
    if entries:
        return entries[-1].value
    info = property_of(catalogue, driver, name)
    return text_of(info.default) if info is not None else None


def has_property(catalogue: Catalogue, driver: str, name: str) -> bool:
    """Does the release list property ``name`` for ``driver`` or an ancestor?"""
    return property_of(catalogue, driver, name) is not None


def entries_by_property(
    lineage: Sequence[str], globals: Sequence[Global]
) -> dict[str, list[Global]]:
    """The entries that apply to a driver with these ancestors, per property, the winner last."""
    members = set(lineage)
    applying: dict[str, list[Global]] = {}
    for entry in globals:
        if entry.driver in members:
            applying.setdefault(entry.property, []).append(entry)
    for entries in applying.values():
        entries.sort(key=lambda entry: _RANK[entry.layer])  # stable: the later wins in a layer
    return applying


def _type_of_unlisted(name: str) -> str:
    blacklist = name == BLACKLIST_PROPERTY or name.startswith(f"{BLACKLIST_PROPERTY}-")
    return BITMAP_TYPE if blacklist else ""


# --- Is a text a valid value? ---------------------------------------------------------------------

_INTEGER_TYPE = re.compile(r"^(u?)int(8|16|32|64)?(?:_t)?$")
_INTEGER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]{1,32}|[0-9]{1,40})", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,40}(?:\.[0-9]{1,40})?)([bkmgtpe])", re.ASCII | re.IGNORECASE)
_SIZE_RANK = {unit: rank for rank, unit in enumerate("bkmgtpe")}


def check_value(info: PropertyInfo, text: str) -> str | None:
    """What is wrong with ``text`` as a value of the property, None where it is valid.

    Follows the parsers of hw/core/qdev-properties.c and qapi/string-input-visitor.c. A type that
    is not a plain one (an enumeration, a link, an address) takes any text: which ones it accepts
    is not told by any release.
    """
    if len(text) > MAX_TEXT:
        return f"is longer than {MAX_TEXT} characters"
    if "\0" in text or "\n" in text:
        return "must be a single line of text"
    kind = info.type
    if kind == "bool":
        return _check_bool(text)
    if match := _INTEGER_TYPE.match(kind):
        return _check_integer(text, signed=not match[1], bits=int(match[2] or 64))
    if kind == "size":
        return _check_size(text)
    if kind == BITMAP_TYPE:
        return _check_bitmap(text)
    return None


_CHOICES = re.compile(r"(?:^|\()\s*([\w.-]+(?:/[\w.-]+)+)\s*\)?$", re.ASCII)


def choices_of(info: PropertyInfo) -> tuple[str, ...]:
    """The values to choose from, where the property's type or its description tells them.

    An enumeration's description lists its values between slashes, alone or in parentheses at its
    end (hw/core/qdev-properties.c and qdev-properties-system.c: ``on/off/auto``).

    >>> choices_of(PropertyInfo("x", "OnOffAuto", "auto", "on/off/auto"))
    ('on', 'off', 'auto')
    """
    if info.type == "bool":
        return "on", "off"
    if _INTEGER_TYPE.match(info.type) or info.type in {"size", "str", "string"}:
        return ()
    found = _CHOICES.search(info.description or "")
    return tuple(found[1].split("/")) if found else ()


def _check_bool(text: str) -> str | None:
    if text.lower() in TRUE_WORDS | FALSE_WORDS:
        return None
    return f"{text!r} is not a switch: use on or off"


def _check_integer(text: str, *, signed: bool, bits: int) -> str | None:
    match = _INTEGER.fullmatch(text.strip())
    if match is None:
        return f"{text[:40]!r} is not a whole number (decimal, or hexadecimal with 0x)"
    value = int(match[1] + match[2], 16 if match[2][:2].lower() == "0x" else 10)
    low = -(2 ** (bits - 1)) if signed else 0
    high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    if not low <= value <= high:
        return f"{text} is outside {low} to {high}"
    return None


def _check_size(text: str) -> str | None:
    stripped = text.strip()
    if match := _INTEGER.fullmatch(stripped):
        too_large = int(match[2], 16 if match[2][:2].lower() == "0x" else 10) >= 2**64
        negative = match[1] == "-"
    elif match := _SIZE.fullmatch(stripped):
        too_large = float(match[1]) * 1024 ** _SIZE_RANK[match[2].lower()] >= 2**64
        negative = False
    else:
        return f"{text[:40]!r} is not a size: a number, with k, M, G, T, P or E where wanted"
    if negative or too_large:
        return f"{text} is outside 0 to 2^64 - 1 bytes"
    return None


def _check_bitmap(text: str) -> str | None:
    try:
        bitmap.parse(text)
    except bitmap.BitmapError as error:
        return str(error)
    return None
