"""The whole job from the terminal: import, edit by file, try, review, publish, fetch the bundle."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tokens import token_of

from machines.emulator.catalogue import CompatProperty
from machines.emulator.catalogue.answers import read_directory
from tests.conftest import ROOT, LiveStack, wait_until

pytestmark = pytest.mark.browser
SAMPLE = ROOT / "machines" / "sample" / "qemu"
#: Of its own, as other tests of the same service publish debian 13.
RELEASE = "debian/14"
DEVICES = ["mc146818rtc", "isa-pit", "i8042", "isa-serial"]

Lockstep = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def people(live_stack: LiveStack, tmp_path: Path) -> dict[str, Lockstep]:
    """Three people at terminals of their own: ``people["reviewer"]("change", "list")``."""
    scopes = {"maintainer": "write", "reviewer": "review", "release": "publish"}

    def at_terminal(name: str) -> Lockstep:
        environment = {
            **os.environ,
            "LOCKSTEP_SITE": live_stack.url,
            "LOCKSTEP_TOKEN": token_of(live_stack, name, scopes[name]),
            "LOCKSTEP_CONFIG": str(tmp_path / f"{name}.toml"),
        }

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "frontend.cli", *arguments],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )

        return run

    return {name: at_terminal(name) for name in scopes}


def answer(done: subprocess.CompletedProcess[str], status: int = 0) -> Any:
    """What a command told as JSON; its exit status has to be this one."""
    assert done.returncode == status, (done.args, done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_the_whole_job(people: dict[str, Lockstep], tmp_path: Path) -> None:
    maintainer, reviewer, release = people.values()
    imported = maintainer("import", RELEASE, str(SAMPLE / "10.0"), "--base", "upstream/10.0")
    assert imported.returncode == 0, imported.stderr
    opened = answer(maintainer("change", "open", RELEASE, "-t", "First policy", "--json"))
    number = str(opened["id"])
    policy = {
        **json.loads(maintainer("change", "policy", number).stdout),
        "devices": DEVICES,
        "migrations": [
            {"source": "debian 12", "destination": "debian 14", "expected": "correct"}
            | {"machine_type": "pc-q35-7.2", "note": ""}
        ],
    }
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(policy))
    put = answer(maintainer("change", "put", number, str(file), "--json"))
    assert put["digest"] != opened["digest"]
    blocking = answer(maintainer("findings", "--change", number, "--exit-code", "--json"), 1)
    until = (date.today() + timedelta(days=90)).isoformat()  # noqa: DTZ011 - a day will do
    for item in blocking["findings"]:
        if item["blocks"]:
            why = ("--reason", "Debian never shipped it.", "--until", until, "--json")
            put = answer(maintainer("change", "waive", number, item["id"], *why))
    assert maintainer("findings", "--change", number, "--exit-code").returncode == 0
    assert answer(maintainer("change", "submit", number, "--json"))["status"] == "submitted"
    trials = answer(maintainer("change", "trials", number, "--run", "--wait", "--json"))
    assert {item["standing"] for item in trials} == {"passed"}
    # Four eyes: the author's token cannot approve, and nobody approves what they have not read.
    assert maintainer("change", "approve", number, put["digest"]).returncode == 3
    assert reviewer("change", "approve", number, opened["digest"]).returncode == 2
    approved = answer(reviewer("change", "approve", number, put["digest"][:12], "--json"))
    assert approved["status"] == "approved"
    published = answer(release("change", "publish", number, "--json"))
    assert published["revision"] == 1
    wait_until(lambda: release("bundle", "show", RELEASE).returncode == 0, "the bundle")
    folder = tmp_path / "bundles"
    fetched = release("bundle", "download", RELEASE, "-o", str(folder))
    assert fetched.returncode == 0, fetched.stdout
    [bundle] = folder.iterdir()
    assert release("bundle", "verify", str(bundle)).returncode == 0
    damaged = bytearray(bundle.read_bytes())
    damaged[-9] ^= 1
    bundle.write_bytes(damaged)
    assert release("bundle", "verify", str(bundle)).returncode == 1


def written(array: str, entries: Iterable[CompatProperty]) -> str:
    """A compat array as QEMU's sources have it."""
    lines = [f'    {{ "{item.driver}", "{item.property}", "{item.value}" }},' for item in entries]
    return "\n".join([f"GlobalProperty {array}[] = {{", *lines, "};", ""])


def test_the_guides_pipeline_fails_a_patch(people: dict[str, Lockstep], tmp_path: Path) -> None:
    """Its last step as it is written, but of the release that the sample has published."""
    guide = (ROOT / "docs" / "guide-release-engineer.md").read_text()
    [job] = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", guide, re.S)]
    program, command, release, *rest = shlex.split(job["compat-arrays"]["script"][-1])
    assert (program, command, release) == ("lockstep", "findings", "rhel/9.3")
    arrays = read_directory(SAMPLE.parent / "rhel" / "9.2").arrays
    lost = ("PIIX4_PM", "x-not-migrate-acpi-index")
    name, entries = next(
        (name, entries)
        for name, entries in arrays.items()
        if lost in {(item.driver, item.property) for item in entries}
    )
    patched = [item for item in entries if (item.driver, item.property) != lost]
    for left, status in ((entries, 0), (patched, 1)):
        words = [str(tmp_path / Path(word).name) if word.endswith(".c") else word for word in rest]
        for path in (word for word in words if word.endswith(".c")):
            Path(path).write_text("")
        Path(words[0]).write_text(written(name, left))
        done = people["maintainer"](command, "rhel/9.2", *words)
        assert done.returncode == status, done.stdout + done.stderr
    assert "PIIX4_PM.x-not-migrate-acpi-index" in done.stdout
