"""A policy as YAML, for keeping it in git: one entry a line, in the order of the document.

A deterministic subset of YAML: block lists and mappings, entries of a machine type as one line,
texts of several lines as literal blocks. A word is written plain only where no reader of YAML
could take it for anything but a text. :mod:`policy.document.files` reads it back without loss.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from policy.document import Policy

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*")
#: What some reader of YAML takes for a truth value or for nothing.
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
#: Stands as it is in quotes and in blocks, whatever the reader; all else is escaped.
_SAFE = "\x20-\x7e\xa1-\u2027\u202a-\ud7ff"
_UNSAFE = re.compile(f"[^{_SAFE}]")
_LINE = f"(?:[{_SAFE}]*(?! )[{_SAFE}])?"
_BLOCK = re.compile(f"{_LINE}(?:\n{_LINE})*")
#: A mapping of no more than these members stands on one line.
_ENTRY = frozenset({"driver", "property", "value", "array"})


def export(policy: Policy) -> str:
    """The document as YAML."""
    return f"# Migration policy of {policy.label}\n" + "".join(
        f"{line}\n" for line in _mapping(policy.to_json())
    )


def _mapping(document: dict[str, Any]) -> Iterator[str]:
    for key, value in document.items():
        yield from _under(f"{_scalar(key)}:", value)


def _under(head: str, value: Any) -> Iterator[str]:
    """A value below ``head``: on its line where it fits there, else in a block of its own."""
    if isinstance(value, dict) and value and not _is_entry(value):
        yield head
        yield from _indented(_mapping(value))
    elif isinstance(value, list) and value:
        yield head
        for item in value:
            yield from _item(item)
    elif isinstance(value, str) and _is_block(value):
        yield f"{head} |-"
        yield from _indented(value.split("\n"))
    else:
        yield f"{head} {_inline(value)}"


def _item(value: Any) -> Iterator[str]:
    """An item of a list; its further lines stand below its first."""
    if isinstance(value, dict) and value and not _is_entry(value):
        lines = _mapping(value)
        yield f"- {next(lines)}"
        yield from _indented(lines)
    elif isinstance(value, list) and value:
        yield "-"
        for item in value:
            yield from _indented(_item(item))
    else:
        yield f"- {_inline(value)}"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" if line else "" for line in lines)


def _is_entry(value: dict[str, Any]) -> bool:
    return value.keys() <= _ENTRY and all(isinstance(item, str) for item in value.values())


def _is_block(text: str) -> bool:
    """Can it be a literal block with nothing lost? No line ends in a space, the first is solid."""
    fits = "\n" in text and not text.startswith((" ", "\n")) and not text.endswith("\n")
    return fits and _BLOCK.fullmatch(text) is not None


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(k)}: {_scalar(v)}" for k, v in value.items()) + "}"
    return "[]" if isinstance(value, list) else _scalar(value)


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + _UNSAFE.sub(lambda found: f"\\U{ord(found[0]):08x}", quoted) + '"'
