"""Numbers that people type into an address or a form by hand."""

from __future__ import annotations

#: The digits of the largest number that every database's integers hold.
MAX_DIGITS = 18


def number_of(text: str) -> int | None:
    """The whole number that the text is in plain digits, else None: ``²`` and ``-1`` are none."""
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        return int(text)
    return None
