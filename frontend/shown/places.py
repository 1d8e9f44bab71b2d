"""Where one is on a device's page: all that its address says, so that every state is a link.

?change=7              the draft that is looked at and edited
&machine_type=NAME     whose entries and overrides hold
&section=PATH&version=1    the selected cell
&flip=PATH:1           a bit that is to be turned over, not saved yet; several times
&layout=PATH&at=1      the section, and the version of it, whose fields are listed
&beside=upstream 11.1  the release, or ``change-7``, whose fields stand beside them
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from frontend.numbers import number_of
from frontend.scope import Scope
from policy.edits.toggling import MAX_TOGGLES

Flip = tuple[str, int]


@dataclass(frozen=True, slots=True)
class DevicePlace:
    """``version`` and ``at`` are None where the address names none. ``path`` is the page's own."""

    path: str
    change: int | None = None
    machine_type: str = ""
    section: str = ""
    version: int | None = None
    flips: tuple[Flip, ...] = ()
    layout: str = ""
    at: int | None = None
    beside: str = ""

    def href(self, **changed: Any) -> str:
        """The address of this place, with some of it changed."""
        query = replace(self, **changed).query
        return f"{self.path}?{query}" if query else self.path

    @property
    def query(self) -> str:
        """What the address says after its ``?``."""
        asked: list[tuple[str, Any]] = [
            ("change", self.change),
            ("machine_type", self.machine_type),
            ("section", self.section),
            ("version", self.version),
            *(("flip", f"{path}:{version}") for path, version in self.flips),
            ("layout", self.layout),
            ("at", self.at),
            ("beside", self.beside),
        ]
        return urlencode([(key, value) for key, value in asked if value not in ("", None)])

    def flipped(self, flip: Flip) -> tuple[Flip, ...]:
        """The bits to be turned over with this one more, or without it where it is among them."""
        if flip in self.flips:
            return tuple(item for item in self.flips if item != flip)
        return (*self.flips, flip)[-MAX_TOGGLES:]


def device_place(scope: Scope, name: str, asked: QueryDict) -> DevicePlace:
    """The place that an address's query, or a form, names; what makes no sense is left out."""
    release = scope.release
    return DevicePlace(
        path=reverse("device", args=[release.tree.name, release.version, name]),
        change=scope.change.pk if scope.change is not None else None,
        machine_type=asked.get("machine_type", ""),
        section=asked.get("section", ""),
        version=number_of(asked.get("version", "")),
        flips=_flips(asked.getlist("flip")),
        layout=asked.get("layout", ""),
        at=number_of(asked.get("at", "")),
        beside=asked.get("beside", ""),
    )


def _flips(texts: list[str]) -> tuple[Flip, ...]:
    found: dict[Flip, None] = {}
    for text in texts:
        path, _colon, version = text.rpartition(":")
        number = number_of(version)
        if path and number is not None:
            found[path, number] = None
    return tuple(found)[:MAX_TOGGLES]
