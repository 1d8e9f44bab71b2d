"""``manage.py serve``: starts everything, says why where it cannot, leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, free_port, serve, stop, wait_until


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose path has a space, and is too long for a socket; without the sample."""
    monkeypatch.setenv("LOCKSTEP_SAMPLE", "0")
    folder = tmp_path / "with a space" / ("long" * 25)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def service(var: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    process, _ = serve(var, port, var / "serve.log")
    yield process, port
    if process.poll() is None:
        stop(process)


def processes_of(var: Path) -> set[str]:
    """The command lines of running processes that were started for this folder."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"LOCKSTEP_VAR={var}\0".encode() in entry.read_bytes():
                found.add(entry.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def try_to_serve(var: Path, port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", str(port)],
        cwd=ROOT,
        env=os.environ | {"LOCKSTEP_VAR": str(var)},
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_it_serves_restarts_what_dies_and_leaves_nothing_behind(
    var: Path, service: tuple[subprocess.Popen[bytes], int]
) -> None:
    process, port = service
    assert var.stat().st_mode & 0o077 == 0  # the database holds sessions
    refused = try_to_serve(var, free_port())
    assert refused.returncode == 1
    assert "already runs on the data" in refused.stderr

    redis = next(pid for pid in children(process.pid) if "redis-server" in command_of(pid))
    os.kill(redis, signal.SIGKILL)
    wait_until(lambda: redis_of(process.pid) not in {None, redis}, "another Redis")
    assert listens_only_here(port)

    assert stop(process) == 0
    assert processes_of(var) == set()
    assert "Traceback" not in (var / "serve.log").read_text()


def test_a_killed_supervisor_takes_its_processes_along(
    var: Path, service: tuple[subprocess.Popen[bytes], int]
) -> None:
    process, port = service
    process.kill()
    process.wait()
    wait_until(lambda: not processes_of(var), "the processes to end")
    again, _ = serve(var, port, var / "again.log")
    assert stop(again) == 0


def test_ctrl_c_during_the_first_start_is_no_fault(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCKSTEP_SAMPLE", "1")
    monkeypatch.setenv("LOCKSTEP_VAR", str(var))
    subprocess.run([sys.executable, "-P", "frontend/vendor.py"], cwd=ROOT, check=True)
    log = var / "serve.log"
    command = [sys.executable, "manage.py", "serve", "--port", str(free_port())]
    with log.open("wb") as output:
        process = subprocess.Popen(
            # Whoever runs the tests in the background has them ignore Ctrl-C; a terminal does not.
            ["env", "--default-signal=INT", *command],
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    wait_until(lambda: "Imported" in log.read_text() or process.poll() is not None, "the sample")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130, log.read_text()
    assert log.read_text().endswith("Stopped.\n")
    assert "Traceback" not in log.read_text()
    assert processes_of(var) == set()


def test_a_taken_port_is_named_before_anything_starts(var: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = try_to_serve(var, port)
    assert refused.returncode == 1
    assert re.search(rf"Port {port} on 127.0.0.1 is taken", refused.stderr)
    assert not (var / "lockstep.sqlite3").exists()


def children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def redis_of(pid: int) -> int | None:
    return next((child for child in children(pid) if "redis-server" in command_of(child)), None)


def listens_only_here(port: int) -> bool:
    """Whether 127.0.0.1 is the only address with this port listening (state 0A)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {
        row[1].split(":")[0] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")
    }
    return addresses == {"0100007F"}
