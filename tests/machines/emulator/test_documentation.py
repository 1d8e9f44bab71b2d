"""The commands that docs/emulator.md shows answer as it says."""

import re
import shlex

import pytest
from real_streams import REPOSITORY

from machines.emulator.__main__ import main

TEXT = (REPOSITORY / "docs" / "emulator.md").read_text()
SHOWN = re.findall(r"```\n\$ python -m machines\.emulator (.*?[^\\])\n(\S.*?)\n?```", TEXT, re.S)


def test_every_command_is_shown() -> None:
    assert [command.split()[0] for command, _ in SHOWN] == ["decode", "diff", "trial", "check"]


@pytest.mark.parametrize(("command", "answer"), SHOWN, ids=lambda text: text.split()[0])
def test_a_command_answers_as_shown(command, answer, capsys, monkeypatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    status = main(shlex.split(command.replace("\\\n", " ")))
    given = capsys.readouterr().out
    for part in answer.split("…"):
        assert part.strip() in given
    assert status == (0 if command.startswith("decode") else 1)
