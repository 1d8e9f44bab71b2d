"""``manage.py serve`` before ``make install``: a clear message instead of pages without style."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, free_port


def test_missing_front_end_packages_are_named(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", str(free_port())],
        cwd=ROOT,
        env=os.environ | {"LOCKSTEP_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert refused.returncode == 1
    assert "make install" in refused.stderr
    assert not (tmp_path / "lockstep.sqlite3").exists()
