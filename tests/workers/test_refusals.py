"""What commands say where they cannot do their work: a sentence, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def run(var: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": f"sqlite:///{var}/empty.sqlite3", **environment}
        | {"LOCKSTEP_VAR": str(var)},
        capture_output=True,
        text=True,
        timeout=180,
    )


@pytest.mark.parametrize("port", ["99999", "0", "x", "²"])
def test_what_is_no_port_is_named(tmp_path: Path, port: str) -> None:
    refused = run(tmp_path, "serve", PORT=port)
    assert refused.returncode != 0
    assert "give a number from 1 to 65535" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_is_not_migrated_is_named(tmp_path: Path) -> None:
    refused = run(tmp_path, "verify_audit")
    assert refused.returncode == 1
    assert "manage.py migrate" in refused.stderr
    assert "Traceback" not in refused.stderr
