"""The repository itself: its layout, its lock files, and the containers' commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from frontend.vendor import npm
from tests.conftest import ROOT, Redis, free_port, kill_group, wait_until

SERVICES = {"web", "worker", "scheduler", "redis", "postgres"}
OWN = ("web", "worker", "scheduler")


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert isinstance(document, dict)
    return document


def test_the_top_level_is_the_plan() -> None:
    folders = {path.relative_to(ROOT).parts[0] for path in tracked_files() if path.parent != ROOT}
    assert folders == {"machines", "policy", "workers", "frontend", "tests", "docs", ".ci"}


def test_no_lock_file_names_a_registry() -> None:
    locks = [ROOT / "package-lock.json", *ROOT.glob("requirements*.txt")]
    assert len(locks) == 4
    for lock in locks:
        text = lock.read_text()
        assert '"resolved"' not in text
        assert "--index-url" not in text
        hosts = set(re.findall(r"https?://([^/\s\"]+)", text))
        assert hosts <= {"github.com", "opencollective.com"}, lock.name  # funding notes


def test_every_requirement_has_a_hash() -> None:
    for lock in ROOT.glob("requirements*.txt"):
        for requirement in re.split(r"\n(?=\S)", lock.read_text()):
            if not requirement.startswith("#"):
                assert "--hash=sha256:" in requirement, requirement


def test_nothing_third_party_is_committed() -> None:
    forbidden = {"node_modules", "vendor", "var", ".venv"}
    for path in tracked_files():
        assert not forbidden & set(path.relative_to(ROOT).parts[:-1]), path
        assert not path.name.endswith(".min.js"), path


def test_each_container_has_a_health_check_and_named_volumes(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == SERVICES
    for name, service in compose["services"].items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        volumes = {volume.split(":")[0] for volume in service["volumes"]}
        assert volumes <= set(compose["volumes"]), name


def test_each_container_waits_for_what_it_needs(compose: dict[str, Any]) -> None:
    for name in OWN:
        for needed, how in compose["services"][name]["depends_on"].items():
            assert needed in SERVICES
            assert how == {"condition": "service_healthy"}


def test_only_the_web_server_is_published_and_only_here(compose: dict[str, Any]) -> None:
    published = {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}
    assert list(published) == ["web"]
    assert all(port.startswith("127.0.0.1:") for port in published["web"])


def test_the_image_is_built_in_stages_and_runs_as_nobody() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    stages = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    assert len(stages) == 2
    assert "USER lockstep" in lines[stages[-1] :]
    copied = [line.split()[1:-1] for line in lines if re.match(r"COPY (?!--)", line)]
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for source in {name for names in copied for name in names}:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in allowed, source


@pytest.fixture
def containers(
    compose: dict[str, Any], redis: Redis, tmp_path: Path
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """The commands of our three containers, with their settings, on one machine."""
    port = free_port()
    settings = {
        "POSTGRES_PASSWORD": "x",
        "DATABASE_URL": f"sqlite:///{tmp_path}/lockstep.sqlite3",
        "REDIS_URL": redis.url,
        "LOCKSTEP_VAR": str(tmp_path / "state"),
        "LOCKSTEP_STATIC": str(tmp_path / "static"),
        "LOCKSTEP_SWEEP_SECONDS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PORT": str(port),
    }
    build = os.environ | settings | {"LOCKSTEP_VAR": str(tmp_path / "build")}
    for command in (
        "-P frontend/vendor.py",
        "manage.py collectstatic -v0",
        "manage.py migrate -v0",
    ):
        arguments = [sys.executable, *command.split()]
        subprocess.run(arguments, cwd=ROOT, env=build, check=True)
    running = {}
    for name in OWN:
        service = compose["services"][name]
        command = [part.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for part in service["command"]]
        environment = os.environ | defaults(service["environment"]) | settings
        running[name] = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
        running[name].health = (service["healthcheck"]["test"][1:], environment)  # type: ignore[attr-defined]
    yield running
    for process in running.values():
        kill_group(process)


def defaults(environment: dict[str, Any]) -> dict[str, str]:
    """What compose makes of ``${NAME:-default}`` where nothing is set."""
    pattern = re.compile(r"\$\{\w+:[-?]([^}]*)\}")
    return {name: pattern.sub(r"\1", str(value)) for name, value in environment.items()}


def test_the_containers_commands_run_and_become_healthy(
    containers: dict[str, subprocess.Popen[bytes]],
) -> None:
    for name, process in containers.items():
        command, environment = process.health  # type: ignore[attr-defined]

        def healthy(command: Any = command, environment: Any = environment) -> bool:
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
            return done.returncode == 0

        wait_until(healthy, f"{name} to be healthy")
        assert process.poll() is None, name


def test_npm_comes_from_its_wheel_where_the_machine_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = subprocess.run([*npm(), "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+\.\d+\.\d+", answer.stdout.strip())
