"""The monitor itself, the run state, and the end (QEMU's qapi/control.json, run-state.json)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from machines.emulator.monitor.arguments import each, word
from machines.emulator.monitor.commands import COMMANDS, command
from machines.emulator.monitor.protocol import NEGOTIATION

if TYPE_CHECKING:
    from machines.emulator.monitor.process import Process

#: The last release whose ``query-status`` tells of single steps (QAPI ``StatusInfo``).
LAST_WITH_SINGLE_STEPS = 8


@command(NEGOTIATION, {"*enable": each(word(()))})
def negotiate(process: Process, arguments: Mapping[str, Any]) -> Any:
    """No capability is offered, so none can be enabled."""
    return {}


@command("query-commands")
def query_commands(process: Process, arguments: Mapping[str, Any]) -> Any:
    return [{"name": name} for name in sorted(COMMANDS)]


@command("query-name")
def query_name(process: Process, arguments: Mapping[str, Any]) -> Any:
    return {"name": process.name} if process.name else {}


@command("query-status")
def query_status(process: Process, arguments: Mapping[str, Any]) -> Any:
    machine = process.machine
    status: dict[str, Any] = {"status": machine.status, "running": machine.is_running}
    if process.release.version["qemu"]["major"] <= LAST_WITH_SINGLE_STEPS:
        status["singlestep"] = False
    return status


@command("stop")
def stop(process: Process, arguments: Mapping[str, Any]) -> Any:
    process.machine.stop()
    return {}


@command("cont")
def cont(process: Process, arguments: Mapping[str, Any]) -> Any:
    process.machine.cont()
    return {}


@command("system_reset")
def system_reset(process: Process, arguments: Mapping[str, Any]) -> Any:
    process.machine.reset()
    return {}


@command("quit")
def leave(process: Process, arguments: Mapping[str, Any]) -> Any:
    process.shut_down("host-qmp-quit")
    return {}
