"""A running machine with its monitor: one process, as QEMU is one.

Whatever the machine and its migrations tell goes to the monitor's client as an event; what the
client asks for goes to the commands. The process ends by ``quit``, by a signal, or where an
incoming migration is refused that was not asked to leave it alive.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from typing import Any

from machines.emulator.errors import EmulatorError
from machines.emulator.monitor import commands
from machines.emulator.monitor.arguments import check
from machines.emulator.monitor.channel import Address, ChannelError, parse_uri
from machines.emulator.monitor.migrations import Incoming, Migrations
from machines.emulator.monitor.options import MonitorAddress
from machines.emulator.monitor.protocol import (
    NEGOTIATION,
    NOT_FOUND,
    Conversation,
    QmpError,
    Request,
    event,
    greeting,
)
from machines.emulator.monitor.release import ToldRelease
from machines.emulator.monitor.server import Server
from machines.emulator.running import RunningMachine

ENDED, FAILED = 0, 1
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Process:
    """The machine, its migrations and its monitor. ``name`` is what ``-name`` gave."""

    def __init__(self, name: str, release: ToldRelease, machine: RunningMachine) -> None:
        self.name = name
        self.release = release
        self.machine = machine
        self.migrations = Migrations(machine, self.tell)
        self._server = Server(self._converse)
        self._status: int | None = None
        self._ended = asyncio.Event()
        self._commands = commands.load()
        machine.listener = self.tell

    async def run(self, monitor: MonitorAddress, incoming: str | None, *, autostart: bool) -> int:
        """Run until it ends: the exit status. Raises :class:`ChannelError` for an address."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)
        self.machine.autostart = autostart
        serving = await self._server.start(monitor)
        serving.add_done_callback(self._served)
        try:
            if monitor.holds:
                await self._server.first_client()
            self._begin(incoming)
            await self._ended.wait()
        finally:
            await self.migrations.close()
            await self._server.stop(serving)
        return FAILED if self._status is None else self._status

    def _begin(self, incoming: str | None) -> None:
        """Where the machine begins: running, held, or waiting for a source."""
        if incoming is None:
            if self.machine.autostart:
                self.machine.cont()
            return
        self.machine.status = "inmigrate"
        if incoming != "defer":
            try:
                self.receive(parse_uri(incoming), ends_on_error=True)
            except ChannelError as error:
                raise ChannelError(f"-incoming {incoming:.200}: {error}") from error

    def _served(self, task: asyncio.Task[None]) -> None:
        """The monitor is gone for good: standard input ended, or something is wrong with it."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            complain(f"the monitor broke off: {error!r:.500}")
        self.end(ENDED if error is None else FAILED)

    # What commands ask for.

    def require_waiting(self) -> None:
        """Raises :class:`QmpError` where the machine does not wait to be told of a source."""
        incoming = self.migrations.incoming
        if incoming is None and self.machine.status != "inmigrate":
            raise QmpError("'-incoming' was not specified on the command line")
        if incoming is not None and incoming.progress.status != "failed":
            raise QmpError("The incoming migration has already been started")

    def receive(self, address: Address, *, ends_on_error: bool) -> None:
        """Wait for a source. Raises :class:`ChannelError`."""
        incoming = Incoming(self.migrations, self._died if ends_on_error else _say_nothing)
        incoming.start(address)
        self.migrations.incoming = incoming

    def _died(self, reason: str) -> None:
        complain(reason)
        complain("load of migration failed: Invalid argument")
        self.end(FAILED)

    def shut_down(self, reason: str) -> None:
        """End as asked from outside the guest."""
        self.tell("SHUTDOWN", {"guest": False, "reason": reason})
        self.end(ENDED)

    def end(self, status: int) -> None:
        """End; whoever said so first decides the exit status."""
        if self._status is None:
            self._status = status
        self._ended.set()

    def _signalled(self, number: int) -> None:
        complain(f"terminating on signal {number}")
        self.shut_down("host-signal")

    # The monitor.

    def tell(self, name: str, data: Mapping[str, Any] | None = None) -> None:
        """Send an event to whoever listens."""
        self._server.tell(event(name, data))

    def _converse(self) -> tuple[dict[str, Any], Conversation]:
        """The greeting of a new client, and what answers it."""
        return greeting(self.release.version), Conversation(self._execute, self._negotiate)

    def _negotiate(self, request: Request) -> Any:
        return self._run(commands.COMMANDS[NEGOTIATION], request)

    def _execute(self, request: Request) -> Any:
        found = self._commands.get(request.command)
        if found is None:
            raise QmpError(f"The command {request.command} has not been found", NOT_FOUND)
        return self._run(found, request)

    def _run(self, command: commands.Command, request: Request) -> Any:
        try:
            return command.run(self, check(command.form, request.arguments))
        except QmpError:
            raise
        except EmulatorError as error:
            raise QmpError(str(error)) from error


def _say_nothing(reason: str) -> None:
    """The reason is told in ``query-migrate``."""


def complain(text: str) -> None:
    """Say on standard error what a person should know."""
    sys.stderr.write(f"lockstep: {text}\n")
    sys.stderr.flush()
