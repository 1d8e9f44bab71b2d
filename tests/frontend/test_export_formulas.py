"""Whatever somebody writes, no cell of an export is a formula to a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from frontend.lists.export import _cell


@pytest.mark.parametrize(
    "value", ["=1+1", "@SUM(A1)", "\n=1", "\uff1d1+1", ["=1+1", "b"], ("-2+3",)]
)
def test_text_is_text_alone_or_in_a_list(value: str | Sequence[str]) -> None:
    assert _cell(value).startswith("'")


def test_numbers_and_times_stay() -> None:
    assert [_cell(value) for value in (-5, 2.5, None)] == ["-5", "2.5", ""]
    assert _cell(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00Z"
