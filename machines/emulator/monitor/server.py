"""Where the monitor's client sits: a socket, or standard input and output. One client at a time.

A further one waits, unanswered, until the one before has left; so does the machine of
``wait=on`` for the first. A client that takes no answers is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machines.emulator.monitor.channel import Address, bind, reach
from machines.emulator.monitor.json_stream import encode
from machines.emulator.monitor.options import MonitorAddress
from machines.emulator.monitor.protocol import Conversation, Message

CHUNK = 64 * 1024
MAX_UNSENT = 64 * 2**20

#: A new client's greeting and conversation.
Greet = Callable[[], tuple[Message, Conversation]]


class Server:
    """Answers one client after the other with conversations that ``greet`` makes."""

    def __init__(self, greet: Greet) -> None:
        self._greet = greet
        self._conversation: Conversation | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._first = asyncio.Event()
        self._listener: socket.socket | None = None
        self._address: Address | None = None

    async def start(self, monitor: MonitorAddress) -> asyncio.Task[None]:
        """Begin to serve. The task ends where no client can come any more.

        Raises :class:`ChannelError`.
        """
        self._address = monitor.address
        if monitor.address is None:
            return asyncio.create_task(self._serve_standard_streams())
        if not monitor.listens:
            connection = await reach(monitor.address)
            return asyncio.create_task(self._serve_connection(connection))
        self._listener = bind(monitor.address)
        return asyncio.create_task(self._serve_clients(self._listener))

    async def first_client(self) -> None:
        """Wait until somebody is there."""
        await self._first.wait()

    def tell(self, message: Message) -> None:
        """Send to the client that is there and has negotiated; else to nobody."""
        if self._conversation is not None and self._conversation.is_negotiated:
            self._send(message)

    async def stop(self, serving: asyncio.Task[None]) -> None:
        """Say what is still to be said, and close."""
        writer = self._writer
        if writer is not None:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.drain()
        serving.cancel()
        await asyncio.wait([serving])
        if self._listener is not None:
            self._listener.close()
            if self._address is not None and self._address.kind == "unix":
                with contextlib.suppress(OSError):
                    Path(self._address.name).unlink()

    async def _serve_clients(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            await self._serve_connection(connection)

    async def _serve_connection(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            await self._serve(reader, writer)
        finally:
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve_standard_streams(self) -> None:
        """The process ends with its input: whoever started it has gone."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        source, _ = await loop.connect_read_pipe(lambda: protocol, sys.stdin)
        transport, _ = await loop.connect_write_pipe(
            lambda: asyncio.streams.FlowControlMixin(loop=loop),
            os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0),
        )
        try:
            await self._serve(reader, asyncio.StreamWriter(transport, protocol, reader, loop))
        finally:
            source.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello, self._conversation = self._greet()
        self._writer = writer
        self._first.set()
        try:
            self._send(hello)
            while data := await reader.read(CHUNK):
                for answer in self._conversation.take(data):
                    self._send(answer)
                    await writer.drain()
        except ConnectionError:
            pass  # the client has left without a word, which is its right
        finally:
            self._conversation = self._writer = None
            writer.close()

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is None:
            return
        self._writer.write(encode(message))
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT:
            self._writer.transport.abort()
