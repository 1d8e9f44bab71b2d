"""The OpenID Connect provider by which people may sign in, as the environment names it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

PREFIX = "LOCKSTEP_OIDC_"
USUAL_LABEL = "Sign in with OpenID Connect"
#: What may stand in the environment, each after :data:`PREFIX`.
NAMES = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_SECRET_FILE", "LABEL", "HOURS")


@dataclass(frozen=True, slots=True)
class Provider:
    """``label``: what the button on the sign-in page says. ``hours``: how long a session holds."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    label: str = USUAL_LABEL
    hours: int = 12

    @property
    def discovery(self) -> str:
        """Where the provider describes itself (OpenID Connect Discovery 1.0, section 4)."""
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


def from_environment(environment: Mapping[str, str]) -> Provider | None:
    """The provider, or None where none of its variables is set. Raises ImproperlyConfigured."""
    given = {name: environment.get(PREFIX + name, "").strip() for name in NAMES}
    if not any(given.values()):
        return None
    for name in ("ISSUER", "CLIENT_ID"):
        if not given[name]:
            raise ImproperlyConfigured(f"{PREFIX}{name} is missing: OpenID Connect needs it.")
    hours = given["HOURS"] or "12"
    if not hours.isascii() or not hours.isdigit() or not 1 <= int(hours) <= 24 * 14:
        raise ImproperlyConfigured(f"{PREFIX}HOURS is a number from 1 to 336.")
    return Provider(
        _checked(given["ISSUER"]),
        given["CLIENT_ID"],
        _secret(given["CLIENT_SECRET"], given["CLIENT_SECRET_FILE"]),
        given["LABEL"] or USUAL_LABEL,
        int(hours),
    )


def _checked(issuer: str) -> str:
    """What is not encrypted may lead to this machine alone: a token is worth a password."""
    parts = urlsplit(issuer)
    if parts.scheme == "https" and parts.hostname and not (parts.query or parts.fragment):
        return issuer
    if parts.scheme == "http" and _is_here(parts.hostname or ""):
        return issuer
    raise ImproperlyConfigured(f"{PREFIX}ISSUER is an https:// address without query: {issuer}")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret(typed: str, file: str) -> str:
    if bool(typed) == bool(file):
        raise ImproperlyConfigured(f"Set one of {PREFIX}CLIENT_SECRET and …_CLIENT_SECRET_FILE.")
    if typed:
        return typed
    try:
        secret = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{PREFIX}CLIENT_SECRET_FILE cannot be read: {error}") from error
    if not secret:
        raise ImproperlyConfigured(f"{PREFIX}CLIENT_SECRET_FILE is empty: {file}")
    return secret
