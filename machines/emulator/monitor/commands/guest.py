"""This project's own commands: what the guest of a running machine does, step by step.

A controller that runs a guest program (:mod:`machines.emulator.processes`) reaches the machine
through these as :class:`machines.emulator.devices.processor.Hardware` does within a process. A
guest does nothing while its machine does not run. Bytes are base64.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from machines.emulator.devices.model import Model
from machines.emulator.errors import EmulatorError
from machines.emulator.monitor.arguments import table, text, whole, word
from machines.emulator.monitor.commands import command
from machines.emulator.monitor.commands.objects import device
from machines.emulator.monitor.protocol import NOT_ACTIVE, QmpError

if TYPE_CHECKING:
    from machines.emulator.monitor.process import Process

WIDTHS = (1, 2, 4, 8)
MAX_OFFSET = 2**32
MAX_LENGTH = 2**20  # bytes of guest memory at a time
MAX_DURATION = 10**15  # ns: eleven days
_REGISTER = {"device": text, "offset": whole, "size": whole}


def _require_running(process: Process) -> None:
    if not process.machine.is_running:
        raise QmpError("The machine is not running", NOT_ACTIVE)


def _model(process: Process, arguments: Mapping[str, Any]) -> Model:
    """The working device that a register access means. Raises :class:`QmpError`."""
    _require_running(process)
    found = device(process, arguments["device"])
    if found.device.model is None:
        raise QmpError(f"'{found.device.driver}' has no registers here", NOT_ACTIVE)
    _require(arguments, "size", arguments["size"] in WIDTHS, "1, 2, 4 or 8")
    _require(arguments, "offset", arguments["offset"] < MAX_OFFSET, f"less than {MAX_OFFSET}")
    return found.device.model


@contextmanager
def _access(arguments: Mapping[str, Any]) -> Iterator[None]:
    """An access as the guest makes it: one that no bus would pass on is refused."""
    try:
        yield
    except EmulatorError:
        raise
    except (LookupError, ValueError, OverflowError) as error:
        place = f"{arguments['size']} bytes at 0x{arguments['offset']:x}"
        raise QmpError(f"'{arguments['device']}' has no register of {place}") from error


def _require(arguments: Mapping[str, Any], name: str, holds: bool, expected: str) -> None:
    if not holds:
        raise QmpError(f"Parameter '{name}' expects {expected}")


def decoded(name: str, value: Any) -> bytes:
    """Checks an argument of bytes."""
    given = text(name, value)
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise QmpError(f"Parameter '{name}' expects base64") from None


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@command("x-lockstep-read", _REGISTER)
def read(process: Process, arguments: Mapping[str, Any]) -> Any:
    """A register of a modelled device; ``offset`` counts from the device's base."""
    model = _model(process, arguments)
    with _access(arguments):
        return model.read(arguments["offset"], arguments["size"])


@command("x-lockstep-write", {**_REGISTER, "value": whole})
def write(process: Process, arguments: Mapping[str, Any]) -> Any:
    size, value = arguments["size"], arguments["value"]
    model = _model(process, arguments)
    _require(arguments, "value", value < 1 << 8 * size, f"a number of {size} bytes")
    with _access(arguments):
        model.write(arguments["offset"], value, size)
    return {}


@command("x-lockstep-advance", {"duration": whole})
def advance(process: Process, arguments: Mapping[str, Any]) -> Any:
    """Let virtual time pass, in ns."""
    _require_running(process)
    duration = arguments["duration"]
    _require(arguments, "duration", duration <= MAX_DURATION, f"at most {MAX_DURATION} ns")
    process.machine.board.platform.advance(duration)
    return {}


@command("x-lockstep-line", {"number": whole})
def line(process: Process, arguments: Mapping[str, Any]) -> Any:
    """The level of an interrupt line."""
    _require_running(process)
    return process.machine.board.platform.lines.get(arguments["number"], False)


@command("x-lockstep-fetch", {"address": whole, "length": whole})
def fetch(process: Process, arguments: Mapping[str, Any]) -> Any:
    """Bytes of guest memory."""
    _require_running(process)
    length = arguments["length"]
    _require(arguments, "length", length <= MAX_LENGTH, f"at most {MAX_LENGTH} bytes")
    return encoded(process.machine.board.platform.ram.read(arguments["address"], length))


@command("x-lockstep-store", {"address": whole, "data": decoded})
def store(process: Process, arguments: Mapping[str, Any]) -> Any:
    _require_running(process)
    process.machine.board.platform.ram.write(arguments["address"], arguments["data"])
    return {}


@command("x-lockstep-set-state", {"device": text, "state": table(decoded)})
def set_state(process: Process, arguments: Mapping[str, Any]) -> Any:
    """State of a device that has a description and no model: a field's path → its bytes."""
    _require_running(process)
    found = device(process, arguments["device"]).device
    if found.model is not None:
        raise QmpError(f"'{found.driver}' has registers: write to them", NOT_ACTIVE)
    places = tuple(f"{part.path}:" for part in found.section.walk())
    for path in arguments["state"]:
        if not path.startswith(places):
            raise QmpError(f"'{found.driver}' has no section with a field {path:.200}")
    found.state = dict(arguments["state"])
    return {}


@command("x-lockstep-get-state", {"device": text})
def get_state(process: Process, arguments: Mapping[str, Any]) -> Any:
    """A device's state as it was last saved, loaded or set: a field's path → its bytes."""
    found = device(process, arguments["device"]).device
    return {path: encoded(value) for path, value in found.state.items()}


@command("x-lockstep-query-transfer", {"direction": word(("outgoing", "incoming"))})
def query_transfer(process: Process, arguments: Mapping[str, Any]) -> Any:
    """What the last migration found: every refusal, and in which versions sections were sent."""
    if arguments["direction"] == "incoming":
        incoming = process.migrations.incoming
        problems = [] if incoming is None else incoming.problems
        return {"problems": [asdict(problem) for problem in problems]}
    saving = process.migrations.outgoing.saving
    if saving is None:
        return {"problems": [], "sent": {}, "sections": 0, "bytes": 0, "forced": []}
    return {
        "problems": [asdict(problem) for problem in saving.problems],
        "sent": {
            plugged.path: sent
            for plugged, sent in zip(process.machine.devices, saving.sent, strict=True)
        },
        "sections": saving.sections,
        "bytes": len(saving.stream),
        "forced": list(saving.notes.forced),
    }
