"""Whence a request comes, also behind proxies: the lock and the API's limits both ask here."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

#: Whoever has one IPv6 address has a network of this length, and may choose among its addresses.
_OWN_NETWORK = 64


def address(request: HttpRequest) -> str:
    """The caller's address; of IPv6 its network's first, as one caller has the whole of it.

    Every proxy writes at the end of X-Forwarded-For who asked it. Of the ``LOCKSTEP_PROXIES`` that
    are trusted the outermost wrote the entry so many from the end; what stands before that, or in
    the header where no proxy is trusted, anybody may have made up.
    """
    remote = request.META.get("REMOTE_ADDR", "")
    told = [item.strip() for item in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    trusted = told[-settings.LOCKSTEP_PROXIES :] if settings.LOCKSTEP_PROXIES else []
    for candidate in (*trusted[:1], remote):
        if found := _normal(candidate):
            return found
    return ""


def _normal(text: str) -> str:
    try:
        parsed = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed.is_loopback:
        return str(parsed)
    network = ipaddress.ip_network((int(parsed), _OWN_NETWORK), strict=False)
    return str(network.network_address)
