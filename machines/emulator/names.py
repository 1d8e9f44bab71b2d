"""What fields and properties have in common: the words of their names.

A property that decides a field's presence is named after it (``migrate-timadj``, ``timadj``;
``x-not-migrate-acpi-index``, ``acpi_index``), and nothing else in a catalogue says so.

    >>> sorted(words("x-not-migrate-acpi-index") & words("acpi_index"))
    ['acpi', 'index']
    >>> is_negated("x-not-migrate-acpi-index")
    True
"""

from __future__ import annotations

import re

_WORDS = re.compile(r"[a-z]+|[0-9]+")
#: Words that say nothing of what a field or a property is about.
_COMMON = frozenset(
    {"x", "migrate", "not", "parent", "obj", "core", "state", "vmstate", "num", "s"}
)


def words(text: str) -> frozenset[str]:
    """What a name is about, without the words that every name has."""
    return frozenset(_WORDS.findall(text.lower())) - _COMMON


def is_negated(name: str) -> bool:
    """Whether a property switches off what it is named after."""
    return "not" in _WORDS.findall(name)
