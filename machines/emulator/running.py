"""A machine that runs: its devices by name, its run state, and what a monitor may do with it.

The run states and what leads from one to the next are QEMU's (system/runstate.c). The guest of
such a machine does what a controller lets it do, register by register (:mod:`processes`): a
machine that is left alone only keeps its state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from machines.emulator import bitmap
from machines.emulator.assembly import build
from machines.emulator.board import Device
from machines.emulator.catalogue import PropertyInfo
from machines.emulator.drivers import lineage_of
from machines.emulator.errors import EmulatorError
from machines.emulator.layout import Section
from machines.emulator.notes import Notes
from machines.emulator.qdev import (
    BITMAP_TYPE,
    BLACKLIST_PROPERTY,
    Global,
    check_value,
    entries_by_property,
    properties_of,
)
from machines.emulator.side import Side, TrialError

RunState = Literal["prelaunch", "inmigrate", "running", "paused", "finish-migrate", "postmigrate"]
#: Told of what happens: an event's name and data.
Listener = Callable[[str, Mapping[str, Any] | None], None]

MAX_DEVICES = 4096
_ID = re.compile(r"[A-Za-z][A-Za-z0-9._-]*", re.ASCII)
#: What ``-device`` takes beside the device's own properties (system/qdev-monitor.c).
_NOT_PROPERTIES = frozenset({"driver", "id", "bus"})


def _nobody(name: str, data: Mapping[str, Any] | None) -> None:
    """Nobody listens."""


class MachineError(EmulatorError):
    """The machine cannot be built, or not do what it was asked to; the words are QEMU's."""


@dataclass(frozen=True, slots=True)
class DeviceOption:
    """One ``-device``: its driver, its ``id`` (empty: none), its properties in order."""

    driver: str
    id: str = ""
    properties: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        named = [f"id={self.id}"] if self.id else []
        return ",".join([self.driver, *named, *(f"{name}={v}" for name, v in self.properties)])


@dataclass(slots=True)
class Plugged:
    """A device in its place. ``path`` is its QOM path; ``entries`` all that set its properties."""

    device: Device
    id: str
    path: str
    entries: tuple[Global, ...]


class RunningMachine:
    """A board with its devices. ``side`` says of what release, machine type and properties.

    Raises :class:`MachineError` for a device or a property that the release does not have.
    """

    def __init__(self, side: Side, options: Sequence[DeviceOption]) -> None:
        if len(options) > MAX_DEVICES:
            raise MachineError(f"a machine has at most {MAX_DEVICES} devices, not {len(options)}")
        self.side = side
        self.notes = Notes()
        self.status: RunState = "prelaunch"
        #: Whether the guest goes on once an incoming migration has ended (``-S``, stop, cont).
        self.autostart = True
        #: Who is told of STOP, RESUME and RESET.
        self.listener: Listener = _nobody
        self._options = tuple(options)
        for option in options:
            _check_option(side, option)
        _check_ids(options)
        own = {
            number: tuple(Global(option.driver, name, v, "user") for name, v in option.properties)
            for number, option in enumerate(options)
        }
        try:
            self.board = build(
                [replace(side, device_globals=own)], [item.driver for item in options], self.notes
            )[0]
        except TrialError as error:
            raise MachineError(str(error)) from error
        self.devices = tuple(self._plugged(own))

    def _plugged(self, own: Mapping[int, tuple[Global, ...]]) -> Iterator[Plugged]:
        shared = self.side.all_globals()
        anonymous = 0
        for number, (option, device) in enumerate(
            zip(self._options, self.board.devices, strict=True)
        ):
            if device is None:
                raise MachineError(f"'{option.driver}' is not a valid device model name")
            path = f"/machine/peripheral/{option.id}"
            if not option.id:
                path = f"/machine/peripheral-anon/device[{anonymous}]"
                anonymous += 1
            yield Plugged(device, option.id, path, (*shared, *own[number]))

    def find(self, path: str) -> Plugged | None:
        """The device at a QOM path, whole (``/machine/peripheral/ID``) or its last part."""
        for plugged in self.devices:
            if path in (plugged.path, plugged.path.rpartition("/")[2]):
                return plugged
        return None

    def renumber(self, name: str, instance: int) -> None:
        """Give a device's section another instance number than its place does."""
        plugged = self.find(name)
        if plugged is not None:
            plugged.device.instance = instance

    # Running and not running.

    @property
    def is_running(self) -> bool:
        return self.status == "running"

    def cont(self) -> None:
        """Let the guest run; while a migration comes in: once it has come.

        Raises :class:`MachineError` while its state is on its way to another machine.
        """
        if self.status == "inmigrate":
            self.autostart = True
        elif self.status == "finish-migrate":
            raise MachineError("Migration is not finalized yet")
        elif not self.is_running:
            self._run()

    def _run(self) -> None:
        self.status = "running"
        self.listener("RESUME", None)

    def stop(self) -> None:
        """Hold the guest; while a migration comes in: once it has come."""
        if self.status == "inmigrate":
            self.autostart = False
        elif self.is_running:
            self.status = "paused"
            self.listener("STOP", None)

    def hold(self) -> RunState:
        """Hold the guest to send its state away: what :meth:`resume` takes if that fails."""
        before = self.status
        self.status = "finish-migrate"
        if before == "running":
            self.listener("STOP", None)
        return before

    def resume(self, before: RunState) -> None:
        """The state has not gone away: the machine is again what it was before."""
        self.status = before
        if before == "running":
            self._run()

    def reset(self) -> None:
        """Put every device into its state after power-on. Memory stays."""
        for plugged in self.devices:
            plugged.device.state = {}
            if plugged.device.model is not None:
                plugged.device.model.reset()
        self.listener("RESET", {"guest": False, "reason": "host-qmp-system-reset"})
        if self.status in ("paused", "postmigrate"):
            self.status = "prelaunch"

    def arrived(self) -> None:
        """The incoming migration was loaded: the guest goes on where it may."""
        self.status = "paused"
        if self.autostart:
            self._run()

    # Versions and bitmaps: what the policy says of a section.

    def set_savevm_version(
        self, plugged: Plugged, section: str | None, version: int, *, force: bool
    ) -> str:
        """Choose the version in which a section is written; 0 leaves a subsection out.

        Gives the objection that ``force`` overrides, empty where there is none. Raises
        :class:`MachineError` where there is one and it is not forced.
        """
        part = _section(plugged.device, section)
        absent = version == 0 and part is not plugged.device.section
        objection = plugged.device.objection(part, None if absent else version)
        if objection and not force:
            raise MachineError(objection[1])
        name = section or ""
        plugged.device.versions[name] = (version, force)
        return objection[1] if objection else ""

    def set_bitmap(self, plugged: Plugged, name: str, text: str) -> None:
        """Set a blacklist bitmap, which decides when a stream is saved or loaded, not before."""
        try:
            plugged.device.blacklists[name] = bitmap.parse(text)
        except bitmap.BitmapError as error:
            raise MachineError(f"Property '{plugged.device.driver}.{name}': {error}") from error
        entry = Global(plugged.device.driver, name, text, "user", "qom-set")
        plugged.entries = (*plugged.entries, entry)


def _section(device: Device, name: str | None) -> Section:
    """A section of the device by its name or path; the main one where none is named."""
    for section in device.section.walk():
        if name in (None, "", section.name, section.path):
            return section
    raise MachineError(f"Device '{device.driver}' has no section '{name}'")


# --- Properties of a device -----------------------------------------------------------------------


def properties(side: Side, plugged: Plugged) -> dict[str, PropertyInfo]:
    """Every property of a device: the release's, and a bitmap for each of its sections."""
    found = properties_of(side.catalogue, plugged.device.driver)
    return {**found, **bitmaps(plugged.device.section)}


def bitmaps(main: Section) -> dict[str, PropertyInfo]:
    """The bitmap property of each section of a device."""
    names = [bitmap.property_name(main.name, section.path) for section in main.walk()]
    return {
        name: PropertyInfo(name, BITMAP_TYPE, "0x0", "versions that are not supported")
        for name in names
    }


def winning_entry(side: Side, plugged: Plugged, name: str) -> Global | None:
    """The entry that decides a property's value, None where the type's default does."""
    lineage = lineage_of(side.catalogue, plugged.device.driver)
    entries = entries_by_property(lineage, plugged.entries).get(name)
    return entries[-1] if entries else None


def is_bitmap(name: str) -> bool:
    return name == BLACKLIST_PROPERTY or name.startswith(f"{BLACKLIST_PROPERTY}-")


# --- Is an option right? --------------------------------------------------------------------------


def _check_ids(options: Sequence[DeviceOption]) -> None:
    seen: set[str] = set()
    for option in options:
        if option.id and not _ID.fullmatch(option.id):
            raise MachineError(
                f"-device {option}: Parameter 'id' expects an identifier: letters, digits, "
                "'-', '.' and '_', beginning with a letter"
            )
        if option.id in seen:
            raise MachineError(f"-device {option}: Duplicate ID '{option.id}' for device")
        seen.add(option.id) if option.id else None


def _check_option(side: Side, option: DeviceOption) -> None:
    catalogue = side.catalogue
    if option.driver not in catalogue.types and option.driver not in catalogue.descriptions:
        raise MachineError(f"-device {option}: '{option.driver}' is not a valid device model name")
    known = properties_of(catalogue, option.driver)
    if not known:
        return  # the release does not tell this driver's properties
    lineage = set(lineage_of(catalogue, option.driver))
    place = f"-device {option}"
    for name, value in option.properties:
        _check_property(known, option.driver, name, value, place)
    for entry in side.globals:
        if entry.driver in lineage and entry.layer == "user":
            whole = f"{entry.driver}.{entry.property}={entry.value}"
            place = f"-device {option}: can't apply global {whole}"
            _check_property(known, entry.driver, entry.property, entry.value, place)


def _check_property(
    known: Mapping[str, PropertyInfo], driver: str, name: str, value: str, place: str
) -> None:
    if name in _NOT_PROPERTIES:
        return
    if is_bitmap(name):
        info = PropertyInfo(name, BITMAP_TYPE)
    elif name in known:
        info = known[name]
    else:
        raise MachineError(f"{place}: Property '{driver}.{name}' not found")
    if problem := check_value(info, value):
        raise MachineError(f"{place}: Property '{driver}.{name}': {problem}")
