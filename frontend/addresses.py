"""Addresses of a release's pages, the same for views and templates."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from machines.models import Release


def release_address(name: str, release: Release, item: str = "", **query: Any) -> str:
    """``/releases/rhel/9.2/devices/isa-serial/?change=7``; empty parts of the query are left out.

    The release's tree must be loaded, or asking for it costs a query.
    """
    asked = {key: value for key, value in query.items() if value not in ("", None)}
    parts = (release.tree.name, release.version, *([item] if item else []))
    return _address(name, parts) + (f"?{urlencode(asked)}" if asked else "")


@lru_cache(maxsize=4096)
def _address(name: str, parts: tuple[str, ...]) -> str:
    """The same addresses come again in each row of a list, and on each page."""
    return reverse(name, args=parts)
