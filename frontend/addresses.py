"""Addresses of a release's pages, the same for views and templates."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from machines.models import Release


def release_address(name: str, release: Release, item: str = "", **query: Any) -> str:
    """``/releases/rhel/9.2/devices/isa-serial/?change=7``; empty parts of the query are left out.

    The release's tree must be loaded, or asking for it costs a query.
    """
    parts = [release.tree.name, release.version, *([item] if item else [])]
    asked = {key: value for key, value in query.items() if value not in ("", None)}
    return reverse(name, args=parts) + (f"?{urlencode(asked)}" if asked else "")
