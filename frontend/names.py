"""Machine type names in an order for people."""

from __future__ import annotations

import re
from collections.abc import Iterable

_VERSION = re.compile(r"\d+(?:\.\d+)+$")


def newest_first(names: Iterable[str]) -> tuple[str, ...]:
    """By the version that a name ends with, the newest first; those without one come last.

    Of one version a ``q35`` board stands before an ``i440fx`` one.

    >>> newest_first(["none", "pc-i440fx-9.2", "pc-q35-9.2", "pc-q35-10.0"])
    ('pc-q35-10.0', 'pc-q35-9.2', 'pc-i440fx-9.2', 'none')
    """
    return tuple(sorted(sorted(names, reverse=True), key=_version, reverse=True))


def _version(name: str) -> tuple[int, ...]:
    found = _VERSION.search(name)
    return tuple(map(int, found[0].split("."))) if found else ()
