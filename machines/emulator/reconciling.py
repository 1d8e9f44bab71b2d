"""What one release's dump tells of a description and another's does not.

:func:`reconcile` fills the gaps of two descriptions from each other, :func:`decide` those that a
recorded feature settles.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from machines.emulator.catalogue.values import Description, Field
from machines.emulator.layout import UNUSED
from machines.emulator.memo import remembered


def reconcile(first: Description, second: Description) -> tuple[Description, Description]:
    """Both descriptions, with gaps of one filled from the other's view of the same field.

    An unknown element count becomes the partner's. A conditional field is taken to exist where
    the partner has it unconditionally; where both are conditional, or the partner has none, it
    stays conditional (and is then left out). Fields are matched by name and place.
    """
    return remembered(
        ("reconcile", id(first), id(second)), (first, second), lambda: _reconcile(first, second)
    )


def _reconcile(first: Description, second: Description) -> tuple[Description, Description]:
    if first is second or first == second:
        return first, first
    left, right = list(first.fields), list(second.fields)
    for i, j in _matches(left, right):
        left[i], right[j] = _reconcile_field(left[i], right[j])
    left_subs, right_subs = list(first.subsections), list(second.subsections)
    for i, j in _matches(left_subs, right_subs):
        if left_subs[i].name == right_subs[j].name:
            left_subs[i], right_subs[j] = _reconcile(left_subs[i], right_subs[j])
    return (
        replace(first, fields=tuple(left), subsections=tuple(left_subs)),
        replace(second, fields=tuple(right), subsections=tuple(right_subs)),
    )


def _matches(
    left: Sequence[Field | Description], right: Sequence[Field | Description]
) -> list[tuple[int, int]]:
    """Pairs of indexes: equal names in order, and replaced stretches of equal length."""
    matcher = difflib.SequenceMatcher(
        None, [item.name for item in left], [item.name for item in right], autojunk=False
    )
    pairs = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal" or (tag == "replace" and i2 - i1 == j2 - j1):
            pairs += list(zip(range(i1, i2), range(j1, j2), strict=True))
    return pairs


def _reconcile_field(left: Field, right: Field) -> tuple[Field, Field]:
    left, right = _share_count(left, right), _share_count(right, left)
    if left.name == right.name and left.conditional != right.conditional:
        left, right = replace(left, conditional=False), replace(right, conditional=False)
    if left.struct is not None and right.struct is not None:
        a, b = _reconcile(left.struct, right.struct)
        left, right = replace(left, struct=a), replace(right, struct=b)
    return left, right


def _share_count(item: Field, partner: Field) -> Field:
    """``item`` with the count that the partner tells, or that the partner's size implies."""
    if item.count is not None:
        return item
    if partner.count is not None and (item.size == partner.size or item.struct is not None):
        return replace(item, count=partner.count)
    # The place of a field that one release dropped: its gap is as long as the field was.
    gap = partner.struct is None and item.struct is None and partner.name == UNUSED
    total = partner.size * (1 if partner.count is None else partner.count)
    if gap and item.size and total > item.size and total % item.size == 0:
        return replace(item, count=total // item.size)
    return item


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a conditional field exists: a feature's gate tells, where a feature is recorded."""

    section: str
    field: str
    present: bool


def decide(description: Description, decisions: frozenset[Decision]) -> Description:
    """The description with the conditional fields that ``decisions`` name settled."""
    if not decisions:
        return description
    return remembered(
        ("decide", id(description), decisions),
        (description,),
        lambda: _decide(description, decisions, "", description.name),
    )


def _decide(
    description: Description, decisions: frozenset[Decision], prefix: str, section: str
) -> Description:
    fields = []
    for item in description.fields:
        label = prefix + item.name
        settled = item
        if item.conditional:
            verdicts = {
                decision.present
                for decision in decisions
                if decision.section == section and names_field(decision.field, label)
            }
            if verdicts == {False}:
                continue
            if verdicts:
                settled = replace(settled, conditional=False)
        if settled.struct is not None:
            nested = _decide(settled.struct, decisions, f"{label}.", section)
            settled = replace(settled, struct=nested)
        fields.append(settled)
    subsections = tuple(
        _decide(item, decisions, prefix, item.name) for item in description.subsections
    )
    return replace(description, fields=tuple(fields), subsections=subsections)


def names_field(reference: str, label: str) -> bool:
    """Does ``reference`` name the field at ``label``, or a structure that holds it?

    ``divider`` and ``state.divider`` both name ``state.divider``; ``fifo`` names ``fifo.data``.
    Indexes do not count: ``timers.period`` names ``timers[2].period``.
    """
    bare = re.sub(r"\[\d+\]|#\d+", "", label)
    wanted = re.sub(r"\[\d+\]|#\d+", "", reference)
    return f".{wanted}." in f".{bare}."
