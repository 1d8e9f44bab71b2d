"""Sending a request to an address that somebody typed: never into a network that is not meant.

A name is looked up once, every address that it has is judged, and the connection goes to exactly
the one that was judged: a name that answers otherwise the second time leads nowhere else. A
redirection is not followed, and of an answer no more than its status is read.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import re
import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from policy.messages import webhooks

#: How long a receiver may take to be reached; twice as long until it has answered.
SECONDS = 10.0
#: How much may come before the status: what only informs (RFC 9110, 15.2).
MAX_HEAD = 64 * 1024
_STATUS = re.compile(rb"^HTTP/1\.\d ([2-9]\d\d)[ \r\n]", re.MULTILINE)
_QUERY = "/%:@!$&'()*+,;=~?[]"


class Unreachable(Exception):
    """It was not sent, or not answered; the message says why."""


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send ``body`` and return the status of the answer. Raises :class:`Unreachable`."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    until = time.monotonic() + 2 * SECONDS
    try:
        host = (parts.hostname or "").encode("idna").decode()
        connection = _connection(parts.scheme, _judged(host, port, parts.scheme), port, host)
        with contextlib.closing(connection):
            connection.request("POST", _target(parts), body, {**_named(parts, host), **headers})
            return _status(connection.sock, until)
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from error
    except ValueError as error:
        # It would stop the telling of everybody else.
        raise Unreachable(f"Nothing can be sent there: {error}") from error


def _target(parts: SplitResult) -> str:
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return f"{target}?{quote(parts.query, safe=_QUERY)}" if parts.query else target


def _named(parts: SplitResult, host: str) -> dict[str, str]:
    shown = f"[{host}]" if ":" in host else host
    named = f"{shown}:{parts.port}" if parts.port else shown
    return {"Host": named, "Connection": "close"}


def _connection(scheme: str, address: str, port: int, host: str) -> HTTPConnection:
    if scheme == "https":
        return HTTPSConnection(
            address,
            port,
            timeout=SECONDS,
            server_hostname=host,
            assert_hostname=host,
            cert_reqs="CERT_REQUIRED",
        )
    return HTTPConnection(address, port, timeout=SECONDS)


def _status(sock: Any, until: float) -> int:
    """The status of the answer. One that comes by drops would hold a worker as long as it likes,
    so that it is the whole of it that has to be there in time.
    """
    told = b""
    while (found := _STATUS.search(told)) is None:
        left = until - time.monotonic()
        if left <= 0:
            raise Unreachable("It did not answer in time.")
        sock.settimeout(left)
        more = sock.recv(4096)
        told += more
        if not more or len(told) > MAX_HEAD or told[:5] != b"HTTP/"[: len(told)]:
            raise Unreachable("It does not answer as a web server does.")
    return int(found[1])


def _judged(host: str, port: int, scheme: str) -> str:
    """The first address of a host; all that it has must be allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{host}: {error}") from error
    addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
    for text in addresses:
        address = ipaddress.ip_address(text)
        if webhooks.is_allowed(address):
            continue
        if scheme != "https" or not webhooks.is_public(address):
            raise Unreachable(f"{host} leads to {text}, which LOCKSTEP_WEBHOOK_NETWORKS forbids")
    if not addresses:
        raise Unreachable(f"{host} has no address")
    return addresses[0]
