"""What a property set is for: the emulator of this project takes all of it, QEMU not.

QEMU has no ``vmstate-blacklist`` properties, so no format for QEMU holds them. On the command line
it ends with an error (``Property 'e1000e.migrate-timadj' not found``) where a device is set a
property that it has not, and complains of a ``-global`` for a type that it does not know
(``qdev_prop_check_globals`` in hw/core/qdev-properties.c). A C array keeps both: it is built into
the downstream's own QEMU, whose patches may add what the catalogue of its base does not show, and
a type that is not there, or is no device, waits unused. What is left out is listed, with why.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from machines.emulator.catalogue import Catalogue, CompatProperty
from machines.emulator.memo import Same
from machines.emulator.qdev import properties_of
from policy.exporters import is_blacklist

#: The formats that leave a property out: all of them, or those for the command line.
Scope = Literal["all", "command-line"]
#: ``device-list-properties`` keeps quiet about properties of this name (qom/qom-qmp-cmds.c).
_UNLISTED = "legacy-"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A property that QEMU is not given."""

    driver: str
    property: str
    scope: Scope
    reason: str


def left_out(catalogue: Catalogue, properties: Iterable[CompatProperty]) -> tuple[LeftOut, ...]:
    """The properties of a set that this release's QEMU does not take, each once, in order."""
    found: dict[tuple[str, str], LeftOut] = {}
    known = _known(Same(catalogue))
    for item in properties:
        key = (item.driver, item.property)
        if key in found:
            continue
        if is_blacklist(item):
            found[key] = LeftOut(*key, "all", "a bitmap, which QEMU has no property for")
        elif item.driver not in catalogue.types:
            found[key] = LeftOut(*key, "command-line", "the catalogue has no such device type")
        elif lacking := known.lacking(item.driver, item.property):
            found[key] = LeftOut(
                *key, "command-line", f"{lacking} has no such property in the catalogue"
            )
    return tuple(found.values())


def without(
    properties: Iterable[CompatProperty], left: Iterable[LeftOut], scopes: Container[str]
) -> tuple[CompatProperty, ...]:
    """The properties that remain in a format that leaves out these scopes."""
    gone = {(item.driver, item.property) for item in left if item.scope in scopes}
    return tuple(item for item in properties if (item.driver, item.property) not in gone)


def report(left: Mapping[str, Sequence[LeftOut]]) -> str:
    """``LEFT_OUT.md``: by machine type, what QEMU is not given and why."""
    lines = ["# Properties that QEMU is not given", ""]
    for machine_type, listed in left.items():
        if not listed:
            continue
        lines += [f"## {machine_type}", "", "| property | left out of | because |"]
        lines += ["| --- | --- | --- |"]
        for item in listed:
            where = "all files" if item.scope == "all" else "globals.args, compat.cfg, domain.xml"
            lines.append(f"| {item.driver}.{item.property} | {where} | {item.reason} |")
        lines.append("")
    if len(lines) == 2:
        lines += ["None: QEMU takes every property of every machine type.", ""]
    return "\n".join(lines)


class _Known:
    """What a catalogue's types are known to lack: older machine types ask for the same again."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lacking: dict[tuple[str, str], str] = {}
        self._children: dict[str, list[str]] = {}
        for name, parent in catalogue.types.items():
            if parent is not None:
                self._children.setdefault(parent, []).append(name)

    def lacking(self, driver: str, name: str) -> str:
        """The first type below the driver that is known not to have the property; empty if none."""
        key = (driver, name)
        if key not in self._lacking:
            self._lacking[key] = self._search(driver, name)
        return self._lacking[key]

    def _search(self, driver: str, name: str) -> str:
        if name.startswith(_UNLISTED):
            return ""
        below = [driver]
        for item in below:
            below += self._children.get(item, ())
            if self._is_listed(item) and name not in properties_of(self._catalogue, item):
                return item
        return ""

    def _is_listed(self, name: str) -> bool:
        """Did QEMU list the type's properties? It lists those of concrete types only."""
        return not self._children.get(name) and name not in self._catalogue.unreadable


@lru_cache(maxsize=8)
def _known(same: Same[Catalogue]) -> _Known:
    return _Known(same.object)
