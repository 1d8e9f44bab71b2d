"""Which server, and with which token: from the environment, else from a file.

The file is ``config.toml`` in ``$XDG_CONFIG_HOME/lockstep`` (``~/.config/lockstep``), or what
``LOCKSTEP_CONFIG`` names::

    site = "https://lockstep.example.org"
    token = "lockstep_…"

``LOCKSTEP_SITE`` and ``LOCKSTEP_TOKEN`` go before it. The file is written by ``lockstep login``,
readable by its owner alone.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from frontend.cli.failures import InputFailed

DEFAULT_SITE = "http://127.0.0.1:8000"
_KEYS = ("site", "token")


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where the API is, and the token that is sent (empty: none)."""

    site: str = DEFAULT_SITE
    token: str = ""


def path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the file is, or would be."""
    if named := environment.get("LOCKSTEP_CONFIG"):
        return Path(named)
    home = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "lockstep" / "config.toml"


def load(environment: Mapping[str, str] = os.environ, site: str = "") -> Configuration:
    """What holds now; ``site`` goes before everything. Raises :class:`InputFailed`."""
    stored = _stored(path(environment))
    chosen = site or environment.get("LOCKSTEP_SITE") or stored.get("site") or DEFAULT_SITE
    token = environment.get("LOCKSTEP_TOKEN")
    if token is None:
        # A token belongs to the site that issued it, and is shown to no other.
        token = stored.get("token", "") if chosen == stored.get("site", DEFAULT_SITE) else ""
    return Configuration(checked_site(chosen), token)


def checked_site(site: str) -> str:
    """An address of a server without its last slash. Raises :class:`InputFailed`."""
    if not site.startswith(("http://", "https://")):
        raise InputFailed(f"{site}: a site begins with https:// (or http://)")
    return site.rstrip("/")


def save(configuration: Configuration, target: Path) -> None:
    """Write the file, for its owner's eyes only. Raises :class:`InputFailed`."""
    text = "".join(f"{key} = {json.dumps(getattr(configuration, key))}\n" for key in _KEYS)
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = target.with_name(target.name + ".new")
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        unfinished.replace(target)
    except OSError as error:
        raise InputFailed(f"{error.filename}: {error.strerror}") from error


def _stored(source: Path) -> dict[str, str]:
    try:
        with source.open("rb") as file:
            found = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputFailed(f"{source}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputFailed(f"{source}: {error}") from error
    for key, value in found.items():
        if key not in _KEYS or not isinstance(value, str):
            raise InputFailed(f"{source}: '{key}' is none of {', '.join(_KEYS)}, or is no text")
    return found
