"""A process's migrations: the one that goes out, the one that comes in, and how they stand.

Statuses, events and words are QEMU's (migration/migration.c). Everything is sent in one pass with
the guest held: memory is not copied while the guest runs, and nothing travels back. So a source
completes when all is sent, as QEMU's does without ``return-path``, whatever the destination says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from machines.emulator.errors import EmulatorError
from machines.emulator.loading import Loading
from machines.emulator.memory import TARGET_PAGE_SIZE
from machines.emulator.monitor.channel import CHUNK, Address, Receiver, Sender, connect, listen
from machines.emulator.monitor.protocol import QmpError
from machines.emulator.notes import Problem
from machines.emulator.refusals import unmigratable
from machines.emulator.running import RunningMachine, RunState
from machines.emulator.saving import Saving

Status = Literal["none", "setup", "active", "cancelling", "cancelled", "completed", "failed"]
UNDER_WAY = frozenset({"setup", "active", "cancelling"})
IN_PROGRESS = "There's a migration process in progress"

MAX_BANDWIDTH = 128 * 2**20  # bytes a second, QEMU's default
#: The shortest pause of a throttled migration, in seconds.
TICK = 0.05


class MigrationFailed(EmulatorError):
    """The machine cannot be saved, or the stream not be loaded; the words are QEMU's."""


@dataclass(slots=True)
class Progress:
    """How far a migration is; times in seconds of the monotonic clock."""

    status: Status = "none"
    error: str = ""
    total: int = 0
    transferred: int = 0
    began: float = 0.0
    connected: float = 0.0
    held: float = 0.0
    ended: float = 0.0


class Migrations:
    """Everything about migrating of one machine. ``tell`` sends an event."""

    def __init__(
        self, machine: RunningMachine, tell: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        self.machine = machine
        self.has_events = False
        self.max_bandwidth = MAX_BANDWIDTH
        self.outgoing = Outgoing(self)
        self.incoming: Incoming | None = None
        self._tell = tell

    @property
    def is_under_way(self) -> bool:
        """Is anything on its way? A machine that waits for a source is still free."""
        arriving = self.incoming is not None and self.incoming.progress.status == "active"
        return arriving or self.outgoing.progress.status in UNDER_WAY

    def require_idle(self) -> None:
        """Raises :class:`QmpError` while a migration is under way."""
        if self.is_under_way:
            raise QmpError(IN_PROGRESS)

    def become(self, progress: Progress, status: Status) -> None:
        """Take a migration to its next status, and say so where anybody asked for events."""
        progress.status = status
        if self.has_events:
            self._tell("MIGRATION", {"status": status})

    def tell_pass(self, number: int) -> None:
        if self.has_events:
            self._tell("MIGRATION_PASS", {"pass": number})

    def query(self) -> dict[str, Any]:
        """The answer to ``query-migrate``."""
        if self.outgoing.progress.status != "none":
            return self.outgoing.query()
        return {} if self.incoming is None else self.incoming.query()

    async def close(self) -> None:
        """End whatever is under way."""
        await self.outgoing.close()
        if self.incoming is not None:
            await self.incoming.close()


# --- Going out ------------------------------------------------------------------------------------


class Outgoing:
    """The migration from this machine to another. ``saving`` is what the last one saved."""

    def __init__(self, migrations: Migrations) -> None:
        self.progress = Progress()
        self.saving: Saving | None = None
        self._migrations = migrations
        self._machine = migrations.machine
        self._task: asyncio.Task[None] | None = None
        self._before: RunState | None = None  # while the machine is held for this

    def start(self, address: Address) -> None:
        """Begin. Raises :class:`QmpError` where the machine cannot migrate now."""
        self._migrations.require_idle()
        if self._machine.status == "inmigrate":
            raise QmpError("Guest is waiting for an incoming migration")
        if self._machine.status == "postmigrate":
            raise QmpError("Can't migrate the vm that was paused due to previous migration")
        self._refuse_blocked()
        self.saving = None
        self.progress = Progress(began=time.monotonic())
        self._migrations.become(self.progress, "setup")
        self._before = None
        self._task = asyncio.create_task(self._transfer(address))
        self._task.add_done_callback(self._finished)

    def _refuse_blocked(self) -> None:
        for plugged in self._machine.devices:
            if not plugged.device.migratable:
                self.saving = Saving(self._machine.board, self._machine.notes)
                self.saving.run()  # what else speaks against it
                name = plugged.device.section.name
                raise QmpError(unmigratable(name))

    def cancel(self) -> None:
        """Break off what is under way; nothing where nothing is."""
        if self._task is not None and self.progress.status in ("setup", "active"):
            self._migrations.become(self.progress, "cancelling")
            self._task.cancel()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _transfer(self, address: Address) -> None:
        sender = await connect(address)
        try:
            self.progress.connected = time.monotonic()
            self._migrations.tell_pass(1)
            self._migrations.become(self.progress, "active")
            self.progress.held = time.monotonic()
            self._before = self._machine.hold()
            stream = self._saved()
            self.progress.total = len(stream)
            await self._send(sender, stream)
        finally:
            sender.close()

    def _finished(self, task: asyncio.Task[None]) -> None:
        """It has ended, one way or another. Whatever is no fault of the input is a bug."""
        error = None if task.cancelled() else task.exception()
        self.progress.ended = time.monotonic()
        if not task.cancelled() and error is None:
            self._machine.status = "postmigrate"
            self._migrations.become(self.progress, "completed")
            return
        if self._before is not None:
            self._machine.resume(self._before)
        self.progress.error = str(error)
        self._migrations.become(self.progress, "cancelled" if error is None else "failed")
        if error is not None and not isinstance(error, EmulatorError):
            raise error

    def _saved(self) -> bytes:
        self.saving = Saving(self._machine.board, self._machine.notes)
        self.saving.run()
        if self.saving.problems:
            raise MigrationFailed(self.saving.problems[0].reason)
        return self.saving.stream

    async def _send(self, sender: Sender, stream: bytes) -> None:
        """All of it, no faster than allowed."""
        began = time.monotonic()
        for start in range(0, len(stream), CHUNK):
            piece = stream[start : start + CHUNK]
            bandwidth = self._migrations.max_bandwidth
            if bandwidth < MAX_BANDWIDTH:
                piece_time = (start + len(piece)) / bandwidth
                while (left := began + piece_time - time.monotonic()) > 0:
                    await asyncio.sleep(min(left, TICK))
            await sender.send(piece)
            self.progress.transferred += len(piece)

    def query(self) -> dict[str, Any]:
        """QAPI ``MigrationInfo``; ``ram`` counts the bytes of the whole stream."""
        progress = self.progress
        info: dict[str, Any] = {"status": progress.status}
        if progress.status == "failed":
            return {**info, "error-desc": progress.error}
        if progress.status not in ("active", "completed"):
            return info
        end = progress.ended or time.monotonic()
        info["total-time"] = _milliseconds(end - progress.began)
        info["setup-time"] = _milliseconds(progress.connected - progress.began)
        name = "downtime" if progress.status == "completed" else "expected-downtime"
        info[name] = _milliseconds(end - (progress.held or end))
        info["ram"] = _ram_statistics(progress, end)
        return info


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _ram_statistics(progress: Progress, end: float) -> dict[str, Any]:
    """QAPI ``MigrationRAMStats``: what is never counted here, as nothing is sent twice, is 0."""
    seconds = max(end - progress.connected, 0.001)
    zeros = (
        "duplicate",
        "skipped",
        "normal",
        "normal-bytes",
        "dirty-pages-rate",
        "postcopy-requests",
        "multifd-bytes",
        "pages-per-second",
        "precopy-bytes",
        "postcopy-bytes",
        "dirty-sync-missed-zero-copy",
    )
    return {
        "transferred": progress.transferred,
        "remaining": progress.total - progress.transferred,
        "total": progress.total,
        "downtime-bytes": progress.transferred,
        "mbps": progress.transferred * 8 / seconds / 10**6,
        "page-size": TARGET_PAGE_SIZE,
        "dirty-sync-count": 1,
        **dict.fromkeys(zeros, 0),
    }


# --- Coming in ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Incoming:
    """The migration into this machine. ``failed`` is told of a failure, in QEMU's words."""

    migrations: Migrations
    failed: Callable[[str], None]
    progress: Progress = field(default_factory=Progress)
    problems: list[Problem] = field(default_factory=list)
    address: Address | None = None
    _receiver: Receiver | None = None
    _task: asyncio.Task[None] | None = None

    def start(self, address: Address) -> None:
        """Wait for a source. Raises :class:`ChannelError`."""
        self._receiver = receiver = listen(address)
        self.address = receiver.address
        self.migrations.become(self.progress, "setup")
        self._task = asyncio.create_task(self._take(receiver))
        self._task.add_done_callback(self._finished)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _take(self, receiver: Receiver) -> None:
        self._load(await receiver.receive(lambda: self.migrations.become(self.progress, "active")))

    def _finished(self, task: asyncio.Task[None]) -> None:
        if self._receiver is not None:
            self._receiver.close()
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self.migrations.machine.arrived()
            self.migrations.become(self.progress, "completed")
            return
        self.progress.error = str(error)
        self.migrations.become(self.progress, "failed")
        self.failed(str(error))
        if not isinstance(error, EmulatorError):
            raise error

    def _load(self, stream: bytes) -> None:
        loading = Loading(self.migrations.machine.board)
        loading.run(stream)
        self.problems = loading.problems
        if self.problems:
            raise MigrationFailed(self.problems[0].reason)

    def query(self) -> dict[str, Any]:
        status = self.progress.status
        if status == "setup" and self.address is not None and self.address.kind != "file":
            return {"socket-address": [self.address.as_json()]}
        if status == "failed":
            return {"status": status, "error-desc": self.progress.error}
        return {} if status in ("none", "setup") else {"status": status}
