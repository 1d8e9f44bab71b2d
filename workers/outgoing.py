"""Sending a request to an address that somebody typed: never into a network that is not meant.

A name is looked up once, every address that it has is judged, and the connection goes to exactly
the one that was judged: a name that answers otherwise the second time leads nowhere else. A
redirection is not followed, and of an answer no more than its status is read.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3

from policy.messages import webhooks

SECONDS = 10.0
_RETRIES = urllib3.Retry(0, redirect=False)


class Unreachable(Exception):
    """It was not sent, or not answered; the message says why."""


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send ``body`` and return the status of the answer. Raises :class:`Unreachable`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _judged(host, port, parts.scheme)
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    sent = {**headers, "Host": parts.netloc, "Connection": "close"}
    try:
        with _pool(parts.scheme, address, port, host) as pool:
            answer = pool.urlopen(
                "POST", target, body=body, headers=sent, retries=_RETRIES, preload_content=False
            )
            answer.close()
            return int(answer.status)
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from error


def _pool(scheme: str, address: str, port: int, host: str) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(SECONDS)
    if scheme == "https":
        return urllib3.HTTPSConnectionPool(
            address,
            port,
            timeout=timeout,
            server_hostname=host,
            assert_hostname=host,
            cert_reqs="CERT_REQUIRED",
        )
    return urllib3.HTTPConnectionPool(address, port, timeout=timeout)


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
