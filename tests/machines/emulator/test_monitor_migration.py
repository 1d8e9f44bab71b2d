"""Two running machines migrate to each other over sockets, and every way in which that fails."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from qemu.qmp import ExecuteError

from tests.machines.emulator.monitored import EVENTS, Machine, foo_catalogue, machine, run

FOO = ("-device", "foo,id=f")
STATE = {"foo:a": "AAAAAQ==", "foo:b": "AAAAAg=="}


async def pair(
    stack: AsyncExitStack, folder: Path, releases: tuple[str, str], *options: str
) -> tuple[Machine, Machine]:
    """A machine that runs, and one of another release that waits to be told of it."""
    catalogues = {version: foo_catalogue(folder, version) for version in sorted(set(releases))}
    one, two = (catalogues[version] for version in releases)
    source = await stack.enter_async_context(machine(folder, one, *FOO, name="board-2.0"))
    waits = ("-incoming", "defer", *options)
    destination = await stack.enter_async_context(
        machine(folder, two, *FOO, *waits, name="board-2.0")
    )
    for it in (source, destination):
        await it.client.execute("migrate-set-capabilities", EVENTS)
    await source.ask("x-lockstep-set-state", device="f", state=STATE)
    return source, destination


async def listening(destination: Machine, folder: Path, kind: str, *, dies: bool = False) -> str:
    """Make a destination wait: the address to migrate to."""
    uri = f"unix:{folder}/channel" if kind == "unix" else "tcp:127.0.0.1:0"
    await destination.ask("migrate-incoming", uri=uri, exit_on_error=dies)
    (told,) = (await destination.ask("query-migrate"))["socket-address"]
    return uri if kind == "unix" else f"tcp:{told['host']}:{told['port']}"


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_machine_migrates_and_goes_on_there(tmp_path: Path, kind: str) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            source, destination = await pair(stack, tmp_path, ("1.0", "2.0"))
            assert (await destination.ask("query-status"))["status"] == "inmigrate"
            await source.ask("migrate", uri=await listening(destination, tmp_path, kind))
            told = await source.migrated("completed")
            assert told["ram"]["transferred"] == told["ram"]["total"] > 0
            assert told["ram"]["remaining"] == 0
            assert {"total-time", "setup-time", "downtime"} <= told.keys()
            for status in ("setup", "active", "completed"):
                await source.event("MIGRATION", status=status)
            assert (await source.ask("query-status"))["status"] == "postmigrate"
            await destination.event("RESUME")
            assert await destination.migrated("completed") == {"status": "completed"}
            state = await destination.ask("x-lockstep-get-state", device="f")
            assert state.items() >= STATE.items()
            with pytest.raises(ExecuteError, match="paused due to previous migration"):
                await source.ask("migrate", uri="tcp:127.0.0.1:1")

    run(whole())


def test_a_held_destination_stays_held(tmp_path: Path) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            source, destination = await pair(stack, tmp_path, ("2.0", "2.0"), "-S")
            await source.ask("migrate", uri=await listening(destination, tmp_path, "unix"))
            await destination.event("MIGRATION", status="completed")
            assert (await destination.ask("query-status"))["status"] == "paused"

    run(whole())


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_backward_is_refused_and_told(tmp_path: Path, kind: str) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            source, destination = await pair(stack, tmp_path, ("2.0", "1.0"))
            await source.ask("migrate", uri=await listening(destination, tmp_path, kind))
            reason = "savevm: unsupported version 2 for 'foo' v1"
            assert await destination.migrated("failed") == {
                "status": "failed",
                "error-desc": reason,
            }
            await destination.event("MIGRATION", status="failed")
            # The source has sent all of it, and may go on where it is.
            await source.migrated("completed")
            await source.ask("cont")
            assert (await source.ask("query-status"))["status"] == "running"
            # The destination may be asked again.
            assert await listening(destination, tmp_path, kind)

    run(whole())


def test_a_refusal_ends_a_destination_that_was_not_asked_to_stay(tmp_path: Path) -> None:
    async def whole() -> None:
        old, new = foo_catalogue(tmp_path, "1.0"), foo_catalogue(tmp_path, "2.0")
        incoming = ("-incoming", f"unix:{tmp_path}/channel")
        async with (
            machine(tmp_path, old, *FOO, *incoming, name="board-2.0") as destination,
            machine(tmp_path, new, *FOO, name="board-2.0") as source,
        ):
            await source.ask("migrate", uri=f"unix:{tmp_path}/channel")
            status, words = await destination.ended()
            assert status == 1
            assert words.splitlines() == [
                "lockstep: savevm: unsupported version 2 for 'foo' v1",
                "lockstep: load of migration failed: Invalid argument",
            ]

    run(whole())


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"QEVM\0\0\0\3\x07\xff\xff\xff\xff"])
def test_what_is_no_stream_is_refused(tmp_path: Path, data: bytes) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            _, destination = await pair(stack, tmp_path, ("2.0", "2.0"))
            await listening(destination, tmp_path, "unix")
            with socket.socket(socket.AF_UNIX) as channel:
                channel.connect(f"{tmp_path}/channel")
                channel.sendall(data)
            assert "offset" in (await destination.migrated("failed"))["error-desc"]

    run(whole())


def test_a_version_that_is_told_makes_backward_work_and_force_is_recorded(tmp_path: Path) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            source, destination = await pair(stack, tmp_path, ("2.0", "1.0"))

            async def tell(version: int, **more: Any) -> Any:
                return await source.ask("set-savevm-version", device="f", version=version, **more)

            await source.ask("qom-set", path="f", property="vmstate-blacklist", value="0x2")
            with pytest.raises(ExecuteError, match="version 3 of 'foo' is out of range 1 to 2"):
                await tell(3)
            with pytest.raises(ExecuteError, match="version 1 of 'foo' is blacklisted"):
                await tell(1)
            with pytest.raises(ExecuteError, match="has no section 'bar'"):
                await tell(1, section="bar")
            objection = "savevm: version 1 of 'foo' is blacklisted"
            assert await tell(1, force=True) == {"forced": objection}
            await source.ask("migrate", uri=await listening(destination, tmp_path, "unix"))
            await destination.migrated("completed")
            found = await source.ask("x-lockstep-query-transfer", direction="outgoing")
            assert found["sent"] == {"/machine/peripheral/f": {"foo:": 1}}
            assert [text.endswith(objection) for text in found["forced"]] == [True]

    run(whole())


def test_a_bitmap_set_after_the_version_holds_at_saving(tmp_path: Path) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            source, destination = await pair(stack, tmp_path, ("2.0", "2.0"))
            await source.ask("qom-set", path="f", property="vmstate-blacklist", value="0x4")
            await source.ask("migrate", uri=await listening(destination, tmp_path, "unix"))
            told = await source.migrated("failed")
            assert told["error-desc"] == "savevm: version 2 of 'foo' is blacklisted"
            assert (await source.ask("query-status"))["status"] == "running"

    run(whole())


def test_a_migration_is_cancelled_and_the_guest_goes_on(tmp_path: Path) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            source, destination = await pair(stack, tmp_path, ("2.0", "2.0"))
            await source.ask("migrate-set-parameters", max_bandwidth=1)
            await source.ask("migrate", uri=await listening(destination, tmp_path, "unix"))
            await source.event("STOP")
            assert (await source.ask("query-migrate"))["ram"]["remaining"] > 0
            assert (await source.ask("query-status"))["status"] == "finish-migrate"
            for asked in (
                source.ask("migrate", uri="tcp:127.0.0.1:1"),
                source.ask("set-savevm-version", device="f", version=1),
                source.client.execute("migrate-set-capabilities", EVENTS),
            ):
                with pytest.raises(ExecuteError, match="a migration process in progress"):
                    await asked
            with pytest.raises(ExecuteError, match="Migration is not finalized yet"):
                await source.ask("cont")
            await source.ask("migrate_cancel")
            await source.event("MIGRATION", status="cancelling")
            await source.event("RESUME")
            await source.event("MIGRATION", status="cancelled")
            assert await source.ask("query-migrate") == {"status": "cancelled"}
            assert (await source.ask("query-status"))["status"] == "running"
            assert "cut off" in (await destination.migrated("failed"))["error-desc"]

    run(whole())


def test_cancelled_before_it_began(tmp_path: Path) -> None:
    async def whole() -> None:
        catalogue = foo_catalogue(tmp_path, "2.0")
        async with machine(tmp_path, catalogue, *FOO, name="board-2.0") as source:
            for _ in range(5):
                await asyncio.gather(
                    source.ask("migrate", uri=f"unix:{tmp_path}/nobody"),
                    source.ask("migrate_cancel"),
                )
                while (await source.ask("query-migrate"))["status"] in ("setup", "cancelling"):
                    await asyncio.sleep(0)
            assert (await source.ask("query-status"))["status"] == "running"

    run(whole())


def test_a_destination_that_dies_midway_fails_the_source(tmp_path: Path) -> None:
    async def whole() -> None:
        catalogue = foo_catalogue(tmp_path, "2.0")
        many = [text for _ in range(2000) for text in ("-device", "foo")]
        path = f"{tmp_path}/channel"
        async with machine(tmp_path, catalogue, *many, name="board-2.0") as source:
            async with machine(
                tmp_path, catalogue, "-incoming", f"unix:{path}", name="board-2.0"
            ) as destination:
                await source.ask("migrate-set-parameters", max_bandwidth=200_000)
                await source.ask("migrate", uri=f"unix:{path}")
                await source.event("STOP")
                destination.process.kill()
            told = await source.migrated("failed")
            how = told["error-desc"].removeprefix("Unable to write to socket: ")
            assert how in ("Broken pipe", "Connection reset by peer")
            assert (await source.ask("query-status"))["status"] == "running"

    run(whole())


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("unix:/nonexistent/x", "Failed to connect to '/nonexistent/x': No such file or directory"),
        ("tcp:127.0.0.1:1", "Failed to connect to '127.0.0.1:1': Connection refused"),
        ("file:/nonexistent/x", "Failed to open '/nonexistent/x': No such file or directory"),
        ("file:/dev/null", "Failed to open '/dev/null': not a regular file"),
    ],
)
def test_nobody_there_fails_the_migration_alone(tmp_path: Path, uri: str, words: str) -> None:
    async def whole() -> None:
        catalogue = foo_catalogue(tmp_path, "2.0")
        async with machine(tmp_path, catalogue, *FOO, name="board-2.0") as source:
            await source.ask("migrate", uri=uri)
            assert (await source.migrated("failed"))["error-desc"] == words
            assert (await source.ask("query-status"))["status"] == "running"

    run(whole())


def test_faulty_addresses_are_refused_at_once(tmp_path: Path) -> None:
    async def whole() -> None:
        catalogue = foo_catalogue(tmp_path, "2.0")
        async with machine(tmp_path, catalogue, *FOO, name="board-2.0") as it:
            for uri, words in {
                "exec:true": "migration protocol 'exec' is not offered here",
                "fd:x": "migration protocol 'fd' is not offered here",
                "foo:1": "unknown migration protocol: foo:1",
                "tcp:1": "error parsing address '1'",
                "unix:": "unknown migration protocol: unix:",
            }.items():
                with pytest.raises(ExecuteError, match=words):
                    await it.ask("migrate", uri=uri)
            with pytest.raises(ExecuteError, match="either 'uri' or 'channels'"):
                await it.ask("migrate")
            with pytest.raises(ExecuteError, match="exactly one channel"):
                await it.ask("migrate", channels=[])
            with pytest.raises(ExecuteError, match="'-incoming' was not specified"):
                await it.ask("migrate-incoming", uri="tcp:127.0.0.1:0")

    run(whole())


def test_a_machine_migrates_into_a_file_and_out_of_it(tmp_path: Path) -> None:
    async def whole() -> None:
        catalogue, file = foo_catalogue(tmp_path, "2.0"), tmp_path / "saved"
        file.write_bytes(b"head")
        channel = {
            "channel-type": "main",
            "addr": {"transport": "file", "filename": str(file), "offset": 4},
        }
        async with machine(tmp_path, catalogue, *FOO, name="board-2.0") as source:
            await source.ask("x-lockstep-set-state", device="f", state=STATE)
            await source.ask("migrate", channels=[channel])
            await source.migrated("completed")
        assert file.read_bytes()[:8] == b"headQEVM"
        back = ("-incoming", f"file:{file},offset=4")
        async with machine(tmp_path, catalogue, *FOO, *back, name="board-2.0") as destination:
            await destination.migrated("completed")
            state = await destination.ask("x-lockstep-get-state", device="f")
            assert state.items() >= STATE.items()

    run(whole())
