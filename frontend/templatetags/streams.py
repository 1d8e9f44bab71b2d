"""What pages of trials and streams write: offsets, sizes, room in a hex view, a refusal's rule."""

from __future__ import annotations

from django import template

from frontend.shown.reasons import REFUSALS, Rule

register = template.Library()


@register.filter
def hex(number: int, digits: int = 1) -> str:
    """A number in hexadecimal digits, at least so many.

    >>> hex(419, 8)
    '000001a3'
    """
    return f"{number:0{digits}x}"


@register.filter
def gap(number: int) -> str:
    """Room for so many bytes of a hex view."""
    return "   " * number


@register.filter(name="bytes")
def in_bytes(number: int) -> str:
    """How many bytes, in the unit that people say.

    >>> in_bytes(24), in_bytes(3 * 2**20)
    ('24 B', '3.0 MiB')
    """
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{number} B" if unit == "B" else f"{size:.1f} {unit}"


@register.simple_tag
def refusal_rule(kind: str) -> Rule | None:
    """The rule behind a kind of refusal; None of one that nobody knows."""
    return REFUSALS.get(kind)
