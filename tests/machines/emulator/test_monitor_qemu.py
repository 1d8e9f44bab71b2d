"""The monitor beside a real QEMU 7.2: the same questions, answers of the same shape."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from qemu.qmp import ExecuteError, QMPClient

from tests.machines.emulator.monitored import SECONDS, SEVEN, connected, machine, run

REAL = shutil.which("qemu-system-x86_64")
DEVICES = ("-device", "virtio-rng-pci,id=r0", "-device", "isa-serial")
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("query-status", {}),
    ("query-version", {}),
    ("query-name", {}),
    ("query-migrate", {}),
    ("qom-list-types", {"implements": "virtio-pci", "abstract": True}),
    ("qom-list-types", {"implements": "device"}),
    ("query-machines", {}),
    ("device-list-properties", {"typename": "isa-serial"}),
    ("qom-list", {"path": "/machine/peripheral"}),
    ("qom-get", {"path": "/machine/peripheral/r0", "property": "period"}),
    ("qom-get", {"path": "/machine/peripheral/r0", "property": "event_idx"}),
    ("qom-get", {"path": "/machine/peripheral-anon/device[0]", "property": "type"}),
    ("stop", {}),
    ("cont", {}),
]
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("nope", {}),
    ("query-status", {"x": 1}),
    ("qom-get", {"path": 1}),
    ("qom-get", {"path": "/machine/peripheral/r0"}),
    ("qom-get", {"path": "/nope", "property": "x"}),
    ("qom-get", {"path": "/machine/peripheral/r0", "property": "nope"}),
    ("qom-set", {"path": "/machine/peripheral/r0", "property": "vectors", "value": 1}),
    ("qom-set", {"path": "/machine/peripheral/r0", "property": "type", "value": "x"}),
    ("device-list-properties", {"typename": "nope"}),
    ("device-list-properties", {"typename": "virtio-pci"}),
    ("migrate-incoming", {"uri": "tcp:127.0.0.1:0"}),
    ("migrate", {"uri": "tcp:1"}),
]
LINES = (
    b"hello",
    b"[1]",
    b"{}",
    b"{'execute': 5}",
    b"{'x': 1}",
    b"'a'",
    b"\xff",
    b"}",
    b"{'a' 1}",
    b"{'a': 1, 'a': 2}",
    b"{'execute': 'stop', 'arguments': 1}",
    b"{'exec-oob': 'stop'}",
)


@contextmanager
def qemu(path: Path) -> Iterator[subprocess.Popen[str]]:
    assert REAL, "qemu-system-x86_64 is not installed: install Debian's package qemu-system-x86"
    options = ["-nodefaults", "-display", "none", "-accel", "tcg", "-m", "16", "-S"]
    monitor = ["-M", "pc-q35-7.2", *DEVICES, "-qmp", f"unix:{path},server=on,wait=off"]
    with subprocess.Popen(
        [REAL, *options, *monitor], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.kill()


@asynccontextmanager
async def both(folder: Path) -> AsyncIterator[tuple[QMPClient, QMPClient]]:
    """A client of a real QEMU, and one of a machine of its catalogue."""
    with qemu(folder / "real") as started:
        async with asyncio.timeout(SECONDS), machine(folder, SEVEN, "-S", *DEVICES) as it:
            real = await connected(str(folder / "real"), started)
            try:
                yield real, it.client
            finally:
                await real.disconnect()


def shape(value: Any) -> Any:
    """The types and names of which a value consists; of a list those of all its items."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [sorted({repr(shape(item)) for item in value})]
    return type(value).__name__


def names(value: Any) -> Any:
    """The same whatever order an object's members have."""
    if isinstance(value, dict):
        return {name: names(value[name]) for name in sorted(value)}
    return [names(item) for item in value] if isinstance(value, list) else value


@pytest.mark.qemu
def test_answers_have_the_shape_of_a_real_qemus(tmp_path: Path) -> None:
    async def whole() -> None:
        async with both(tmp_path) as (real, ours):
            assert real.greeting is not None
            assert ours.greeting is not None
            assert names(ours.greeting.QMP.version) == names(real.greeting.QMP.version)
            for command, arguments in QUESTIONS:
                expected = names(await real.execute(command, arguments))
                told = names(await ours.execute(command, arguments))
                if command == "device-list-properties":  # each device here has its bitmaps too
                    told = [item for item in told if item["type"] != "bitmap"]
                assert shape(told) == shape(expected), command
                if command == "qom-list-types":
                    assert {repr(item) for item in told} == {repr(item) for item in expected}

    run(whole())


@pytest.mark.qemu
def test_faults_are_answered_with_a_real_qemus_words(tmp_path: Path) -> None:
    async def refusal(client: QMPClient, command: str, arguments: dict[str, Any]) -> Any:
        with pytest.raises(ExecuteError) as caught:
            await client.execute(command, arguments)
        return caught.value.error_class, str(caught.value)

    async def whole() -> None:
        async with both(tmp_path) as (real, ours):
            for fault in FAULTS:
                assert await refusal(ours, *fault) == await refusal(real, *fault)

    run(whole())


@pytest.mark.qemu
@pytest.mark.parametrize("line", LINES)
def test_malformed_lines_are_answered_with_a_real_qemus_words(tmp_path: Path, line: bytes) -> None:
    async def answer(path: str, started: Any) -> bytes:
        client = await connected(path, started)
        await client.disconnect()
        reader, writer = await asyncio.open_unix_connection(path, limit=2**24)
        await reader.readline()
        writer.write(b"{'execute': 'qmp_capabilities'}" + line + b"\n")
        await reader.readline()
        told = await reader.readline()
        writer.close()
        return told.lower()

    async def whole() -> None:
        with qemu(tmp_path / "real") as started:
            async with asyncio.timeout(SECONDS), machine(tmp_path, SEVEN, "-S") as it:
                await it.client.disconnect()
                expected = await answer(str(tmp_path / "real"), started)
                assert await answer(str(tmp_path / "0.qmp"), it.process) == expected

    run(whole())
