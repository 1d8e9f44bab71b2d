"""Where a migration stream goes to or comes from: a unix or TCP socket, or a file.

Addresses are those of QEMU's ``migrate`` (migration/migration.c, ``migrate_uri_parse``), as a URI
or as a list with one channel. A command to run (``exec:``), a descriptor (``fd:``), vsock and RDMA
are not offered. What goes wrong is a :class:`ChannelError` in QEMU's words.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from machines.emulator.devices.platform import RAM_SIZE
from machines.emulator.errors import EmulatorError
from machines.emulator.stream import MAX_DEVICE_STATE

CHUNK = 64 * 1024
#: The longest stream that is taken: device state as much as a stream may hold, and guest memory
#: twice, for what its pages are sent with.
MAX_INCOMING = MAX_DEVICE_STATE + 2 * RAM_SIZE

_INET = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^:,\[\]]*)):(?P<port>[0-9]{1,5})")
_FILE = re.compile(r"(?P<path>.+?)(?:,offset=(?P<offset>0x[0-9a-fA-F]{1,16}|[0-9]{1,19}))?")
_NOT_OFFERED = ("exec", "fd", "rdma", "vsock")


class ChannelError(EmulatorError):
    """The address is none, or nothing can be sent to it or taken from it."""


@dataclass(frozen=True, slots=True)
class Address:
    """One end of a channel. ``name`` is a path or a host; ``number`` a port, or a file's offset."""

    kind: Literal["unix", "tcp", "file"]
    name: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.name}:{self.number}" if self.kind == "tcp" else self.name

    def as_json(self) -> dict[str, Any]:
        """As ``query-migrate`` tells it in ``socket-address`` (QAPI ``SocketAddress``)."""
        if self.kind == "tcp":
            return {"type": "inet", "host": self.name, "port": str(self.number)}
        return {"type": self.kind, "path": self.name}


def parse_uri(uri: str) -> Address:
    """``unix:PATH``, ``tcp:HOST:PORT``, ``file:PATH[,offset=N]``. Raises :class:`ChannelError`."""
    kind, _, rest = uri.partition(":")
    if kind == "tcp":
        return parse_inet(rest)
    if kind == "unix" and rest:
        return _local("unix", rest)
    if kind == "file" and (match := _FILE.fullmatch(rest)):
        return _local("file", match["path"], int(match["offset"] or "0", 0))
    if kind in _NOT_OFFERED:
        raise ChannelError(f"migration protocol '{kind}' is not offered here")
    raise ChannelError(f"unknown migration protocol: {uri:.200}")


def parse_inet(text: str) -> Address:
    """``HOST:PORT``; an IPv6 address stands in brackets. Raises :class:`ChannelError`."""
    match = _INET.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ChannelError(f"error parsing address '{text:.200}'")
    return Address("tcp", match["six"] or match["host"] or "", int(match["port"]))


def parse_channels(channels: Sequence[Mapping[str, Any]]) -> Address:
    """A ``MigrationChannel`` list of one main channel. Raises :class:`ChannelError`."""
    if len(channels) != 1 or channels[0].get("channel-type") != "main":
        raise ChannelError("Channel list must have exactly one channel, of type 'main'")
    given = channels[0].get("addr")
    told = given if isinstance(given, dict) else {}
    match told.get("transport"), told.get("type"):
        case "socket", "inet":
            return parse_inet(f"{_bracketed(str(told.get('host', '')))}:{told.get('port', '')}")
        case "socket", "unix":
            return parse_uri(f"unix:{told.get('path', '')}")
        case "file", _ if isinstance(told.get("filename"), str):
            return parse_uri(f"file:{told['filename']},offset={told.get('offset', 0)}")
    raise ChannelError("the channel's address is none of socket (inet, unix) and file")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _local(kind: Literal["unix", "file"], path: str, number: int = 0) -> Address:
    if "\0" in path or not path.isprintable():
        raise ChannelError(f"'{path!a:.200}' is not a path")
    return Address(kind, path, number)


def _strerror(error: OSError) -> str:
    return str(error) if error.errno is None else os.strerror(error.errno)


# --- Sending --------------------------------------------------------------------------------------


class Sender:
    """An open channel to the destination: a socket, or else a file's descriptor."""

    def __init__(self, connection: socket.socket | None, file: int = -1) -> None:
        self._connection = connection
        self._file = file

    async def send(self, data: bytes) -> None:
        """Send all of ``data``. Raises :class:`ChannelError`."""
        try:
            if self._connection is not None:
                await asyncio.get_running_loop().sock_sendall(self._connection, data)
            else:
                _write_all(self._file, data)
        except OSError as error:
            what = "file" if self._connection is None else "socket"
            raise ChannelError(f"Unable to write to {what}: {_strerror(error)}") from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        else:
            os.close(self._file)


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


async def connect(address: Address) -> Sender:
    """Open the way to a destination. Raises :class:`ChannelError`."""
    if address.kind == "file":
        return Sender(None, _open(address, os.O_WRONLY | os.O_CREAT))
    return Sender(await reach(address))


async def reach(address: Address) -> socket.socket:
    """A connected socket. Raises :class:`ChannelError`."""
    loop = asyncio.get_running_loop()
    problem = "no address found"
    for family, target in await asyncio.to_thread(_targets, address):
        connection = socket.socket(family)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, target)
        except OSError as error:
            connection.close()
            problem = _strerror(error)
        except asyncio.CancelledError:
            connection.close()
            raise
        else:
            return connection
    raise ChannelError(f"Failed to connect to '{address}': {problem}")


def _targets(address: Address) -> list[tuple[int, Any]]:
    """(address family, what to connect or bind to) of each way to reach the address."""
    if address.kind == "unix":
        return [(socket.AF_UNIX, address.name)]
    try:
        found = socket.getaddrinfo(address.name or None, address.number, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = _strerror(error) if isinstance(error, OSError) else str(error)
        raise ChannelError(f"address resolution failed for {address}: {reason}") from error
    return [(family, target) for family, _, _, _, target in found]


def _open(address: Address, flags: int) -> int:
    """A regular file, open at the address's offset: anything else might wait for somebody."""
    try:
        file = os.open(address.name, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o660)
    except OSError as error:
        raise ChannelError(f"Failed to open '{address}': {_strerror(error)}") from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ChannelError(f"Failed to open '{address}': not a regular file")
        os.lseek(file, address.number, os.SEEK_SET)
        if flags & os.O_WRONLY:
            os.ftruncate(file, address.number)
    except ChannelError:
        os.close(file)
        raise
    except OSError as error:
        os.close(file)
        raise ChannelError(f"Failed to seek in '{address}': {_strerror(error)}") from error
    return file


# --- Taking ---------------------------------------------------------------------------------------


class Receiver:
    """Where a source may connect to, or a file with what one wrote."""

    def __init__(self, address: Address, listener: socket.socket | None) -> None:
        self.address = address
        self._listener = listener

    async def receive(self, began: Callable[[], None]) -> bytes:
        """The whole stream. ``began`` is called when a source is there. :class:`ChannelError`."""
        if self._listener is None:
            began()
            return _read_file(self.address)
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(self._listener)
        self.close()
        data = bytearray()
        with connection:
            began()
            try:
                while piece := await loop.sock_recv(connection, CHUNK):
                    data += piece
                    if len(data) > MAX_INCOMING:
                        raise ChannelError(f"the stream is longer than {MAX_INCOMING} bytes")
            except OSError as error:
                raise ChannelError(f"Unable to read from socket: {_strerror(error)}") from error
        return bytes(data)

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None and self._listener.fileno() >= 0:
            self._listener.close()
            if self.address.kind == "unix":
                with contextlib.suppress(OSError):
                    Path(self.address.name).unlink()


def _read_file(address: Address) -> bytes:
    with open(_open(address, os.O_RDONLY), "rb") as file:
        try:
            data = file.read(MAX_INCOMING + 1)
        except OSError as error:
            raise ChannelError(f"Unable to read from file: {_strerror(error)}") from error
    if len(data) > MAX_INCOMING:
        raise ChannelError(f"the stream is longer than {MAX_INCOMING} bytes")
    return data


def listen(address: Address) -> Receiver:
    """Wait for a source there from now on. Raises :class:`ChannelError`."""
    if address.kind == "file":
        return Receiver(address, None)
    listener = bind(address)
    if address.kind == "tcp":
        address = Address("tcp", address.name, listener.getsockname()[1])
    return Receiver(address, listener)


def bind(address: Address) -> socket.socket:
    """A listening socket; a unix socket's file is made anew. Raises :class:`ChannelError`."""
    problem = "no address found"
    for family, target in _targets(address):
        listener = socket.socket(family)
        try:
            if address.kind == "unix":
                _remove_socket(address.name)
            else:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(target)
            listener.listen(1)
        except OSError as error:
            listener.close()
            problem = _strerror(error)
        else:
            listener.setblocking(False)
            return listener
    raise ChannelError(f"Failed to bind socket to {address}: {problem}")


def _remove_socket(path: str) -> None:
    """A socket that an earlier process left behind; anything else at that path is kept."""
    if Path(path).is_socket():
        Path(path).unlink()
