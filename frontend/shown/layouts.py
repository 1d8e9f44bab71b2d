"""A section's fields for people, alone or beside those of another release, field by field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from django.utils.translation import gettext as _

from machines.emulator.catalogue import Description, Field

MAX_FIELD_ROWS = 1500
#: How a field stands to the one beside it.
Standing = Literal["same", "differs", "only-here", "only-there"]


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field of a section's layout; a nested structure's fields follow it, one deeper.

    ``path`` names it among all of them; ``since`` is the oldest version that the section reads and
    that has the field.
    """

    depth: int
    path: str
    field: Field
    since: int


def layout_of(description: Description, version: int) -> list[FieldRow]:
    """What a stream of that version holds, in its order; at most :data:`MAX_FIELD_ROWS`.

    Only the section's own fields are missing from an older stream: a nested structure travels at
    its own version (migration/vmstate.c).
    """
    rows: list[FieldRow] = []
    for field in description.fields:
        if field.version_id <= version:
            since = max(field.version_id, description.minimum_version_id)
            _add((field,), 0, "", since, rows)
    return rows


def _add(
    fields: Sequence[Field], depth: int, prefix: str, since: int, rows: list[FieldRow]
) -> None:
    for field in fields:
        if len(rows) >= MAX_FIELD_ROWS:
            return
        rows.append(FieldRow(depth, prefix + field.name, field, since))
        if field.struct is not None:
            _add(field.struct.fields, depth + 1, f"{prefix}{field.name}.", since, rows)


@dataclass(frozen=True, slots=True)
class PairRow:
    """A field of the one side, of the other, or of both. ``what`` says in words what differs."""

    here: FieldRow | None
    there: FieldRow | None
    standing: Standing
    what: str = ""

    @property
    def shown(self) -> FieldRow:
        """The one to name: this release's where it has the field."""
        row = self.here or self.there
        assert row is not None  # noqa: S101 - a pair has at least one side
        return row


def beside(here: Sequence[FieldRow], there: Sequence[FieldRow]) -> list[PairRow]:
    """Two layouts in the order of the stream, fields of the same name beside each other."""
    match = SequenceMatcher(
        None, [row.path for row in here], [row.path for row in there], autojunk=False
    )
    rows: list[PairRow] = []
    for tag, low, high, other_low, other_high in match.get_opcodes():
        if tag == "equal":
            rows += map(_pair, here[low:high], there[other_low:other_high])
        else:
            rows += (PairRow(row, None, "only-here") for row in here[low:high])
            rows += (PairRow(None, row, "only-there") for row in there[other_low:other_high])
    return rows


def _pair(here: FieldRow, there: FieldRow) -> PairRow:
    mine, theirs = here.field, there.field
    found = []
    if mine.struct is None and theirs.struct is None and mine.size != theirs.size:
        # A structure's own size is that of C memory, which is not what travels.
        found.append(_("%(here)s against %(there)s bytes") % _both(mine.size, theirs.size))
    if None not in (mine.count, theirs.count) and mine.count != theirs.count:
        # Dumps of QEMU before 8.0 do not tell how many elements there are.
        found.append(_("%(here)s against %(there)s elements") % _both(mine.count, theirs.count))
    if here.since != there.since:
        found.append(_("since version %(here)s against %(there)s") % _both(here.since, there.since))
    if mine.conditional != theirs.conditional:
        found.append(_("only sometimes sent here") if mine.conditional
                     else _("only sometimes sent there"))  # fmt: skip
    if (mine.struct is None) != (theirs.struct is None):
        found.append(_("a structure on one side alone"))
    return PairRow(here, there, "differs" if found else "same", ", ".join(found))


def _both(here: object, there: object) -> dict[str, object]:
    return {"here": here, "there": there}


def counts(rows: Sequence[PairRow]) -> dict[Standing, int]:
    """How many fields stand so, those that differ alone."""
    standings = [row.standing for row in rows if row.standing != "same"]
    return {standing: standings.count(standing) for standing in dict.fromkeys(standings)}
