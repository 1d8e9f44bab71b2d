"""QMP's messages: greeting, requests, answers, errors, events (QEMU's docs/interop/qmp-spec).

A :class:`Conversation` is one client's: it takes bytes, and gives the messages to send. It knows
no socket and no machine, only a table of commands.

Out-of-band execution is not offered. Every fault of a request is answered, and none ends the
conversation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from machines.emulator.errors import EmulatorError
from machines.emulator.monitor.json_stream import JsonError, JsonReader

GENERIC, NOT_FOUND, NO_DEVICE = "GenericError", "CommandNotFound", "DeviceNotFound"
NOT_ACTIVE = "DeviceNotActive"
NEGOTIATION = "qmp_capabilities"

Message = dict[str, Any]


class QmpError(EmulatorError):
    """A command's error answer. ``kind`` is the error class of QMP."""

    def __init__(self, description: str, kind: str = GENERIC) -> None:
        super().__init__(description)
        self.kind = kind


def no_such_device(name: str) -> QmpError:
    return QmpError(f"Device '{name}' not found", NO_DEVICE)


@dataclass(frozen=True, slots=True)
class Request:
    """A command that a client asks for."""

    command: str
    arguments: Mapping[str, Any]


#: Runs a command and gives what ``return`` holds; raises :class:`QmpError`.
Execute = Callable[[Request], Any]


def greeting(version: Mapping[str, Any]) -> Message:
    """What a client hears first; ``version`` is the answer to ``query-version``."""
    return {"QMP": {"version": version, "capabilities": []}}


def event(name: str, data: Mapping[str, Any] | None = None) -> Message:
    """An event that happens now."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    stamp = {"seconds": seconds, "microseconds": nanoseconds // 1000}
    message: Message = {"timestamp": stamp, "event": name}
    return message if data is None else {**message, "data": data}


class Conversation:
    """What one client and the monitor say to each other, from the greeting on."""

    def __init__(self, execute: Execute, negotiate: Execute) -> None:
        self._execute = execute
        self._negotiate = negotiate
        self._reader = JsonReader()
        #: Whether ``qmp_capabilities`` was accepted: before that there are no events.
        self.is_negotiated = False

    def take(self, data: bytes) -> Iterator[Message]:
        """The answers to what ``data`` completes, each made when it is asked for."""
        for value in self._reader.feed(data):
            yield self._answer(value)

    def _answer(self, value: Any) -> Message:
        named = {"id": value["id"]} if isinstance(value, dict) and "id" in value else {}
        try:
            if isinstance(value, JsonError):
                raise QmpError(str(value))
            return {"return": self._dispatch(_request(value)), **named}
        except QmpError as error:
            return {**named, "error": {"class": error.kind, "desc": str(error)}}

    def _dispatch(self, request: Request) -> Any:
        if self.is_negotiated:
            if request.command == NEGOTIATION:
                raise QmpError(
                    "Capabilities negotiation is already complete, command ignored", NOT_FOUND
                )
            return self._execute(request)
        if request.command != NEGOTIATION:
            raise QmpError(f"Expecting capabilities negotiation with '{NEGOTIATION}'", NOT_FOUND)
        answer = self._negotiate(request)
        self.is_negotiated = True
        return answer


def _request(value: Any) -> Request:
    """Check a message's form (qapi/qmp-dispatch.c, ``qmp_dispatch_check_obj``)."""
    if not isinstance(value, dict):
        raise QmpError("QMP input must be a JSON object")
    for name, member in value.items():
        if name == "execute":
            if not isinstance(member, str):
                raise QmpError("QMP input member 'execute' must be a string")
        elif name == "arguments":
            if not isinstance(member, dict):
                raise QmpError("QMP input member 'arguments' must be an object")
        elif name != "id":  # exec-oob too, while nobody enabled it
            raise QmpError(f"QMP input member '{name}' is unexpected")
    if "execute" not in value:
        raise QmpError("QMP input lacks member 'execute'")
    return Request(value["execute"], value.get("arguments", {}))
