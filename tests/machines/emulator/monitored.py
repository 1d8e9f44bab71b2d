"""What the tests of the monitor share: machines in processes, driven by QEMU's own QMP library."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qemu.qmp import QMPClient
from qemu.qmp.protocol import ConnectError

from machines.emulator.assembly import build
from machines.emulator.notes import Notes
from machines.emulator.processes import write_catalogue
from machines.emulator.scenario import STYLES, upstream
from machines.emulator.side import Side
from tests.machines.emulator.real_streams import CATALOGUES, REPOSITORY

SECONDS = 60
SEVEN = CATALOGUES / "7.2"
EVENTS = {"capabilities": [{"capability": "events", "state": True}]}


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test on a loop of its own: the main thread's may be a browser's."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, test).result()


def foo_catalogue(folder: Path, version: str, style: int = 0, machine: str = "board-2.0") -> Path:
    """The scenario's device ``foo`` as of an upstream release, as a folder that ``run`` reads."""
    side: Side = upstream(STYLES[style], version, machine)
    place = folder / f"foo-{version}-{style}"
    place.mkdir()
    entries = tuple(replace(item, layer="compat") for item in side.globals)
    write_catalogue(place, build([replace(side, globals=entries)], ["foo"], Notes())[0])
    return place


@contextmanager
def process(monitor: str, catalogue: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A started machine, ended with the block whatever happens in it."""
    command = [sys.executable, "-m", "machines.emulator", "run", "-qmp", monitor]
    with subprocess.Popen(
        [*command, "--catalogue", str(catalogue), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as started:
        try:
            yield started
        finally:
            started.kill()


@dataclass
class Machine:
    """A process and the client that drives it."""

    client: QMPClient
    process: subprocess.Popen[str]

    async def ask(self, command: str, **arguments: Any) -> Any:
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        return await self.client.execute(command, named)

    async def event(self, name: str, **data: Any) -> Mapping[str, Any]:
        """The next event of that name, with that data where it is told."""
        while True:
            message = await self.client.events.get()
            if message["event"] == name and data.items() <= message.get("data", {}).items():
                return message

    async def migrated(self, status: str) -> Mapping[str, Any]:
        """The answer of ``query-migrate`` once it has that status."""
        while (told := await self.ask("query-migrate")).get("status") != status:
            assert told.get("status") not in {"failed", "completed"}, told
            await asyncio.sleep(0.01)
        return told

    async def ended(self) -> tuple[int, str]:
        """Exit status and last words."""
        _, words = await asyncio.to_thread(self.process.communicate)
        return self.process.returncode, words


async def connected(address: str | tuple[str, int], started: subprocess.Popen[str]) -> QMPClient:
    """A client that has negotiated, as soon as the process listens."""
    while isinstance(address, str) and not Path(address).exists():
        assert started.poll() is None, started.communicate()
        await asyncio.sleep(0.02)
    while True:
        client = QMPClient("test")
        try:
            await client.connect(address)
        except ConnectError:
            assert started.poll() is None, started.communicate()
            await asyncio.sleep(0.02)
        else:
            return client


@asynccontextmanager
async def machine(
    folder: Path, catalogue: Path, *options: str, name: str = "pc-q35-7.2"
) -> AsyncIterator[Machine]:
    """A running machine of that type, and its client."""
    number = len(list(folder.glob("*.qmp")))
    path = folder / f"{number}.qmp"
    with process(f"unix:{path},server=on,wait=off", catalogue, "-M", name, *options) as started:
        async with asyncio.timeout(SECONDS):
            client = await connected(str(path), started)
            try:
                yield Machine(client, started)
            finally:
                started.kill()
                await _left(client)


async def _left(client: QMPClient) -> None:
    with suppress(EOFError):  # the process went first
        await client.disconnect()
