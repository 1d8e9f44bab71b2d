"""A section's fields beside another release's."""

from __future__ import annotations

from frontend.shown.layouts import beside, counts, layout_of
from machines.emulator.catalogue import Description, Field

INNER = Description("inner", 1, 1, (Field("x", 4), Field("y", 2)))
HERE = Description(
    "foo", 3, 1,
    (Field("a", 4), Field("gone", 1), Field("s", 8, struct=INNER), Field("e", 4, version_id=3)),
)  # fmt: skip
THERE = Description(
    "foo", 3, 1,
    (Field("a", 8), Field("s", 16, struct=INNER), Field("new", 4, 2), Field("e", 4, version_id=2)),
)  # fmt: skip


def standings(version: int) -> dict[str, str]:
    rows = beside(layout_of(HERE, version), layout_of(THERE, version))
    return {row.shown.path: row.standing for row in rows}


def test_an_older_version_lacks_the_sections_own_later_fields() -> None:
    assert [row.path for row in layout_of(HERE, 2)] == ["a", "gone", "s", "s.x", "s.y"]


def test_each_field_says_how_it_stands() -> None:
    assert standings(3) == {
        "a": "differs", "gone": "only-here", "s": "same", "s.x": "same", "s.y": "same",
        "new": "only-there", "e": "differs",
    }  # fmt: skip


def test_what_differs_is_said_in_words_and_counted() -> None:
    rows = beside(layout_of(HERE, 3), layout_of(THERE, 3))
    words = [row.what for row in rows if row.standing == "differs"]
    assert words == ["4 against 8 bytes", "since version 3 against 2"]
    assert counts(rows) == {"differs": 2, "only-here": 1, "only-there": 1}


def test_an_unknown_number_of_elements_matches_any() -> None:
    old, new = (Description("foo", 1, 1, (Field("a", 1, count=n),)) for n in (None, 96))
    assert counts(beside(layout_of(old, 1), layout_of(new, 1))) == {}
