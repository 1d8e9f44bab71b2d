"""A running machine asked over QMP: from the greeting to the end, by QEMU's own library."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qemu.qmp import ExecuteError, QMPClient

from machines.emulator.commands import main
from machines.emulator.monitor.commands import load
from machines.emulator.session import Gone, Session
from tests.machines.emulator.monitored import (
    SEVEN,
    Machine,
    connected,
    foo_catalogue,
    machine,
    process,
    run,
)
from tests.machines.emulator.real_streams import REPOSITORY

STDIO = (sys.executable, "-m", "machines.emulator", "run", "-qmp", "stdio", "-M", "board-2.0")
FROM_HERE = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
RNG = ("-device", "virtio-rng-pci,id=r0,period=1000", "-device", "isa-serial,index=0x1")


async def refused(asked: Any, kind: str = "GenericError") -> str:
    """The description of an error answer of that class."""
    with pytest.raises(ExecuteError) as caught:
        await asked
    assert caught.value.error_class == kind
    return str(caught.value)


def test_from_the_greeting_to_the_end(tmp_path: Path) -> None:
    async def tell(it: Machine) -> None:
        assert it.client.greeting is not None
        assert it.client.greeting.QMP.version["qemu"]["major"] == 7
        assert list(it.client.greeting.QMP.capabilities) == []
        assert (await it.ask("query-status"))["status"] == "prelaunch"
        assert await it.ask("query-name") == {"name": "guest"}
        await it.ask("cont")
        await it.event("RESUME")
        await it.ask("stop")
        stamp = (await it.event("STOP"))["timestamp"]
        assert set(stamp) == {"seconds", "microseconds"}
        assert (await it.ask("query-status"))["status"] == "paused"
        await it.ask("system_reset")
        await it.event("RESET", guest=False, reason="host-qmp-system-reset")
        assert (await it.ask("query-status"))["status"] == "prelaunch"
        assert await it.ask("quit") == {}
        assert await it.ended() == (0, "")

    async def whole() -> None:
        async with machine(tmp_path, SEVEN, "-S", "-name", "guest") as it:
            await tell(it)

    run(whole())


def test_devices_and_their_properties(tmp_path: Path) -> None:
    async def whole() -> None:
        async with machine(tmp_path, SEVEN, *RNG, "-global", "virtio-rng-pci.max-bytes=0x10") as it:
            path = "/machine/peripheral/r0"
            listed = await it.ask("qom-list", path="/machine/peripheral-anon")
            assert {"name": "device[0]", "type": "child<isa-serial>"} in listed
            types = {item["name"]: item["type"] for item in await it.ask("qom-list", path=path)}
            assert types["period"] == "uint32"
            assert types["vmstate-blacklist"] == "bitmap"

            async def value(name: str) -> Any:
                return await it.ask("qom-get", path=path, property=name)

            assert await value("type") == "virtio-rng-pci"
            assert await value("period") == 1000  # of the device
            assert await value("max-bytes") == 16  # of a global
            assert await value("aer") is False  # of the type
            anonymous = "/machine/peripheral-anon/device[0]"
            assert await it.ask("qom-get", path=anonymous, property="index") == 1
            await it.ask("qom-set", path=path, property="vmstate-blacklist", value="0x2")
            assert await value("vmstate-blacklist") == "0x2"

    run(whole())


def test_what_cannot_be_read_or_set_is_refused_in_qemus_words(tmp_path: Path) -> None:
    async def whole() -> None:
        async with machine(tmp_path, SEVEN, *RNG) as it:
            path = "/machine/peripheral/r0"

            async def put(name: str, value: Any) -> str:
                return await refused(it.ask("qom-set", path=path, property=name, value=value))

            realized = "on device 'r0' (type 'virtio-rng-pci') after it was realized"
            assert await put("vectors", 4) == f"Attempt to set property 'vectors' {realized}"
            assert await put("nope", 4) == "Property 'virtio-rng-pci.nope' not found"
            assert await put("type", "x") == "Property 'virtio-rng-pci.type' is not writable"
            assert "expected: string" in await put("vmstate-blacklist", 2)
            assert "neither a version" in await put("vmstate-blacklist", "x")
            told = await refused(it.ask("qom-get", path=path, property="nope"))
            assert told == "Property 'virtio-rng-pci.nope' not found"
            told = await refused(it.ask("qom-list", path="/nope"), "DeviceNotFound")
            assert told == "Device '/nope' not found"

    run(whole())


def test_the_release_is_told_by_its_own_answers(tmp_path: Path) -> None:
    async def whole() -> None:
        async with machine(tmp_path, SEVEN) as it:
            machines = {item["name"]: item for item in await it.ask("query-machines")}
            assert machines["pc-q35-7.2"]["cpu-max"] == 288
            assert "compat-props" not in machines["pc-q35-7.1"]
            full = await it.ask("query-machines", compat_props=True)
            compat = next(x["compat-props"] for x in full if x["name"] == "pc-q35-7.1")
            assert {"qom-type", "property", "value"} == set(compat[0])
            rng = await it.ask("qom-list-types", implements="virtio-rng-pci")
            assert rng == [{"name": "virtio-rng-pci", "parent": "virtio-rng-pci-base"}]
            concrete = await it.ask("qom-list-types", implements="virtio-pci")
            every = await it.ask("qom-list-types", implements="virtio-pci", abstract=True)
            assert 0 < len(concrete) < len(every)
            assert not any(item.get("abstract") for item in concrete)
            listed = await it.ask("device-list-properties", typename="i6300esb")
            names = {item["name"]: item["type"] for item in listed}
            assert names["addr"] == "int32"
            assert names["vmstate-blacklist"] == "bitmap"
            told = await refused(it.ask("device-list-properties", typename="virtio-pci"))
            assert told == "Parameter 'typename' expects a non-abstract device type"
            unknown = it.ask("device-list-properties", typename="nope")
            assert await refused(unknown, "DeviceNotFound") == "Device 'nope' not found"
            assert {"name": "x-lockstep-read"} in await it.ask("query-commands")

    run(whole())


def test_one_client_at_a_time_and_the_next_when_it_has_left(tmp_path: Path) -> None:
    async def whole() -> None:
        async with machine(tmp_path, SEVEN, "-S") as it:
            address = next(tmp_path.glob("*.qmp"))
            second = QMPClient("second")
            waiting = asyncio.create_task(second.connect(str(address)))
            assert (await it.ask("query-status"))["status"] == "prelaunch"
            assert not waiting.done()
            await it.client.disconnect()
            await waiting
            assert await second.execute("query-name") == {}
            await second.disconnect()

    run(whole())


def test_over_tcp_too_and_a_signal_ends_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def whole() -> None:
        place = f"tcp:127.0.0.1:{port},server=on,wait=off"
        with process(place, SEVEN, "-M", "pc-q35-7.2") as started:
            client = await connected(("127.0.0.1", port), started)
            started.send_signal(signal.SIGTERM)
            message = await client.events.get()
            assert message["event"] == "SHUTDOWN"
            assert message["data"] == {"guest": False, "reason": "host-signal"}
            it = Machine(client, started)
            assert await it.ended() == (0, "lockstep: terminating on signal 15\n")
            with pytest.raises(EOFError):
                await client.disconnect()

    run(whole())


def test_over_standard_input_whose_end_is_its_own(tmp_path: Path) -> None:
    catalogue = foo_catalogue(tmp_path, "2.0")
    asked = b'{"execute": "qmp_capabilities"}{"execute": "query-status"}'
    done = subprocess.run(
        [*STDIO, "--catalogue", str(catalogue)],
        input=asked,
        capture_output=True,
        timeout=180,
        env=FROM_HERE,
    )
    greeting, *answers = map(json.loads, done.stdout.splitlines())
    assert set(greeting["QMP"]) == {"version", "capabilities"}
    assert [item["return"] for item in answers][1]["running"] is True
    assert (done.returncode, done.stderr) == (0, b"")


def test_over_standard_input_it_ends_when_told(tmp_path: Path) -> None:
    session = Session(
        [*STDIO, "--catalogue", str(foo_catalogue(tmp_path, "2.0"))],
        FROM_HERE,
    )
    try:
        session.open()
        assert session.execute("quit") == {}
        with pytest.raises(Gone, match="ended with status 0"):
            session.execute("query-status")
    finally:
        session.close()


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A client's bare socket to a running machine that has greeted."""
    folder = tmp_path_factory.mktemp("raw")
    path = folder / "qmp"
    catalogue = foo_catalogue(folder, "2.0")
    with process(f"unix:{path}", catalogue, "-M", "board-2.0", "-S") as started:
        client = socket.socket(socket.AF_UNIX)
        while client.connect_ex(str(path)):
            assert started.poll() is None
        client.settimeout(30)
        with client, client.makefile("rwb") as lines:
            assert b"QMP" in lines.readline()
            lines.write(b'{"execute": "qmp_capabilities"}')
            lines.flush()
            assert lines.readline() == b'{"return": {}}\r\n'
            yield lines
            assert started.poll() is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=60))
def test_whatever_bytes_come_it_goes_on(raw: Any, line: bytes) -> None:
    # The closing brackets end whatever the bytes began; the quotes in between end a string.
    raw.write(line + b"\n\xff" + b'{"execute": "query-name", "id": "here"}')
    raw.flush()
    for answer in raw:
        told = json.loads(answer)
        assert told.keys() & {"return", "error", "event"}
        if told.get("id") == "here":
            break


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-M", "nope"], "-M nope: unsupported machine type"),
        (["-device", "nope"], "'nope' is not a valid device model name"),
        (["-device", "foo,nope=1"], "Property 'foo.nope' not found"),
        (["-device", "foo,d=maybe"], "Property 'foo.d': 'maybe' is not a switch"),
        (["-device", "foo,id=5a"], "Parameter 'id' expects an identifier"),
        (["-device", "foo,id=a", "-device", "foo,id=a"], "Duplicate ID 'a' for device"),
        (["-device", ""], "Parameter 'driver' is missing"),
        (["-device", "foo", "-global", "foo.x=1"], "can't apply global foo.x=1"),
        (["-global", "x"], "-global x: should be DRIVER.PROPERTY=VALUE"),
        (["-incoming", "exec:true"], "migration protocol 'exec' is not offered here"),
        (["-incoming", "tcp:1"], "-incoming tcp:1: error parsing address '1'"),
        (["-incoming", "unix:/nonexistent/x"], "Failed to bind socket to /nonexistent/x"),
        (["-qmp", "foo:1"], "should be unix:PATH, tcp:HOST:PORT or stdio"),
        (["-qmp", "unix:/nonexistent/x"], "Failed to bind socket"),
        (["--catalogue", "/nonexistent"], "is not a folder of catalogue files"),
        (["--side", "/dev/null"], "is not the description of a side"),
    ],
)
def test_a_faulty_option_is_told_without_a_traceback(
    tmp_path: Path, options: list[str], words: str
) -> None:
    catalogue = foo_catalogue(tmp_path, "2.0")
    with process(f"unix:{tmp_path}/qmp", catalogue, "-M", "board-2.0", *options) as started:
        _, told = started.communicate(timeout=180)
    assert words in told
    assert "Traceback" not in told
    assert started.returncode == 1


def test_the_page_tells_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    page = (REPOSITORY / "docs/reference/monitor.md").read_text()
    rows = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    told = {name.split()[0] for row in rows for name in re.findall(r"`([^`]+)`", row)}
    named = set(load()) - told
    assert named == {"set-savevm-version"}
    assert "**set-savevm-version**" in page
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    options = set(re.findall(r"^  (--?\w+)", capsys.readouterr().out, re.MULTILINE))
    assert options - {"-h"} == {item for item in told if item[0] == "-"}


def test_the_guest_reaches_registers_and_memory_while_it_runs(tmp_path: Path) -> None:
    async def whole() -> None:
        devices = (
            "-device",
            "isa-serial,id=s",
            "-device",
            "usb-tablet,id=t",
            "-device",
            "mc146818rtc,id=r",
        )
        async with machine(tmp_path, SEVEN, *devices) as it:

            async def read(device: str, offset: int, size: int = 1) -> Any:
                return await it.ask("x-lockstep-read", device=device, offset=offset, size=size)

            scratch = {"device": "s", "offset": 7, "size": 1}
            await it.ask("x-lockstep-write", value=0x5A, **scratch)
            assert await read("s", 7) == 0x5A
            await it.ask("x-lockstep-store", address=0x1000, data="AAEC")
            assert await it.ask("x-lockstep-fetch", address=0x1001, length=2) == "AQI="
            await it.ask("x-lockstep-advance", duration=1000)
            assert await it.ask("x-lockstep-line", number=4) is False
            assert "outside" in await refused(it.ask("x-lockstep-fetch", address=2**40, length=1))
            await it.ask("x-lockstep-write", device="r", offset=0, size=1, value=0x40)
            wide = it.ask("x-lockstep-write", device="r", offset=1, size=2, value=0x1234)
            assert await refused(wide) == "'r' has no register of 2 bytes at 0x1"
            assert "expects base64" in await refused(
                it.ask("x-lockstep-store", address=0, data="?")
            )
            assert "1, 2, 4 or 8" in await refused(read("s", 7, 3))
            assert "a number of 1 bytes" in await refused(
                it.ask("x-lockstep-write", value=256, **scratch)
            )
            await refused(read("t", 0), "DeviceNotActive")
            await refused(read("nope", 0), "DeviceNotFound")
            await it.ask("stop")
            assert await refused(read("s", 7), "DeviceNotActive") == "The machine is not running"

    run(whole())


def test_it_goes_to_a_client_that_listens(tmp_path: Path) -> None:
    async def whole() -> None:
        client = QMPClient("listens")
        await client.start_server(str(tmp_path / "qmp"))
        catalogue = foo_catalogue(tmp_path, "2.0")
        with process(f"unix:{tmp_path}/qmp,server=off", catalogue, "-M", "board-2.0") as started:
            await asyncio.wait_for(client.accept(), 30)
            assert (await client.execute("query-status"))["running"] is True
            await client.disconnect()
            assert await asyncio.to_thread(started.wait, 30) == 0  # nobody else can come

    run(whole())


def test_a_machine_waits_for_its_first_client(tmp_path: Path) -> None:
    catalogue, place = foo_catalogue(tmp_path, "2.0"), tmp_path / "qmp"
    options = ("-M", "board-2.0", "-incoming", f"file:{tmp_path}/nothing")
    with process(f"unix:{place},server=on,wait=on", catalogue, *options) as started:
        with socket.socket(socket.AF_UNIX) as client:
            while client.connect_ex(str(place)):
                assert started.poll() is None  # it does not look for the file yet
            _, words = started.communicate(timeout=180)
        assert started.returncode == 1
        assert "Failed to open" in words
