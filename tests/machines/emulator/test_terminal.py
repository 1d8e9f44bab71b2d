"""What somebody else wrote commands no terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.emulator.commands import BAD_INPUT, main
from machines.emulator.terminal import harmless, harmless_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b]0;b\x07", r"a\x1b]0;b\x07"),
        ("a\x9b2J", r"a\x9b2J"),
        ("whole\rbad", r"whole\rbad"),
        ("a\u202eb", r"a\u202eb"),
        ("a\ud800", r"a\ud800"),
        ("two\n\tlines: é → ✓", "two\n\tlines: é → ✓"),
    ],
)
def test_what_commands_is_shown(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(st.text(st.characters(exclude_categories=[])))
def test_json_says_the_same(text: str) -> None:
    told = harmless_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(told) == {text: [text]}
    assert harmless(told) == told


def test_a_file_s_name_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(tmp_path / "a\x1b[2J")]) == BAD_INPUT
    assert "\x1b" not in capsys.readouterr().err
