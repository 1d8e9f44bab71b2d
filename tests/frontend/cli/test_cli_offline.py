"""The commands of ``lockstep`` that need no server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from frontend.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "machines" / "sample" / "qemu"


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        assert main([name, "--help"]) == 0, name
        assert "usage: " in capsys.readouterr().out.lower()
    main(["--help"])
    told = capsys.readouterr().out
    assert "Print a stream as JSON." in told
    assert "?." not in told


def test_what_is_unknown_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert main(["releases", "--nothing"]) == 2
    assert main(["decode"]) == 2
    assert main(["decode", "/nowhere"]) == 2
    assert "/nowhere" in capsys.readouterr().err


def test_check_compares_two_catalogues(capsys: pytest.CaptureFixture[str]) -> None:
    folders = (str(SAMPLE / "11.1"), str(SAMPLE / "7.2"))
    asked = ("--machine", "pc-q35-7.2", "--device", "ipmi-bmc-sim", "--json")
    assert main(["check", *folders, *asked]) == 1
    assert json.loads(capsys.readouterr().out)["findings"]


def test_a_log_is_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("qemu: Missing section footer for 0000:00:1f.2/ich9_ahci\n")
    ends = ("--source", str(SAMPLE / "7.2"), "--destination", str(SAMPLE / "10.0"))
    assert main(["explain", str(log), *ends, "-M", "pc-q35-7.2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [item["section"] for item in told["failures"]] == ["0000:00:1f.2/ich9_ahci"]
    assert main(["explain", str(log), *ends, "-M", "pc-q35-99"]) == 2


def test_no_command_imports_django() -> None:
    code = (
        "import sys, importlib; from frontend.cli.main import COMMANDS\n"
        "for name in set(COMMANDS.values()):\n"
        "    importlib.import_module(f'frontend.cli.commands.{name}')\n"
        "sys.exit('django' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
