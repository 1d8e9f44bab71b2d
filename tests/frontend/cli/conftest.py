"""Commands in this process, against a server in this process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from frontend.cli.main import main
from policy import tokens
from policy.review.checking import today

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    live_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Run:
    """``run(person, "change", "list")``: exit status, standard output, standard error."""
    monkeypatch.setenv("LOCKSTEP_SITE", live_server.url)
    monkeypatch.setenv("LOCKSTEP_CONFIG", str(tmp_path / "config.toml"))
    issued: dict[str, str] = {}

    def at_terminal(person: User | None, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("LOCKSTEP_TOKEN", "")
        if person is not None:
            if person.username not in issued:
                last = today() + timedelta(days=1)
                every = ["write", "review", "publish"]
                issued[person.username] = tokens.issue(person, "terminal", every, last)[1]
            monkeypatch.setenv("LOCKSTEP_TOKEN", issued[person.username])
        capsys.readouterr()
        status = main(arguments)
        told = capsys.readouterr()
        return status, told.out, told.err

    return at_terminal
