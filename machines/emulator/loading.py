"""Loading a stream into a machine, with the checks and in the words of migration/savevm.c."""

from __future__ import annotations

import io

from machines.emulator import refusals, surroundings, vmstate
from machines.emulator.board import Board, Device
from machines.emulator.events import Configuration, Payload, RamBlockList, RamPages, SectionBegin
from machines.emulator.layout import Section
from machines.emulator.notes import Problem
from machines.emulator.stream import read_events
from machines.emulator.vmstate import LoadError


def load_section(device: Device, version: int, payload: bytes, places: set[str]) -> int:
    """Load a device's section: how many bytes are left over, which QEMU finds at the footer.

    The places of the sections that come are added to ``places``. Raises :class:`LoadError` and
    :class:`machines.emulator.vmstate.EndOfStream`.
    """
    section = device.section

    def accepts(part: Section, incoming: int) -> None:
        places.add(part.place)
        if device.forbids(part, incoming):
            reason = f"{part.name}: incoming version_id {incoming} is blacklisted"
            raise LoadError("blacklisted", reason, part.name)

    if version > section.version_id:
        reason = refusals.section_too_new(version, section.name, section.version_id)
        raise LoadError("version-too-new", reason, section.name)
    vmstate.check_version(section, version)
    accepts(section, version)
    reader = vmstate.ByteReader(payload)
    measure = None if device.model is None else device.model.measure
    vmstate.load(section.at(version), reader, device.state, accepts, measure)
    device.restore(places)
    return reader.left()


class Loading:
    """Reads a stream into a board. A refused section does not hide a later one's refusal."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.problems: list[Problem] = []
        self.receivers = {
            (device.section.name, device.instance): device
            for device in board.devices
            if device is not None and not device.stateless
        }
        #: device label → places of the sections that came
        self.arrived: dict[str, set[str]] = {}

    def run(self, stream: bytes) -> None:
        """Fill the devices' state, and ``problems`` with what is refused."""
        for device in self.board.devices:
            if device is not None:
                device.state = {}
                if device.model is not None:
                    device.model.pre_load()
        begin: SectionBegin | None = None
        for event in read_events(io.BytesIO(stream)):
            if isinstance(event, Configuration) and not self._accept_machine(event.machine):
                return
            if isinstance(event, SectionBegin):
                begin = event
            elif isinstance(event, RamBlockList | RamPages) and self.board.works:
                if not self._load_memory(event):
                    return
            elif isinstance(event, Payload) and begin is not None:
                self._load_section(begin, event.data)
        self._check_absences()

    def _refuse(self, driver: str, error: LoadError) -> None:
        label = self.board.side.label
        self.problems.append(
            Problem(error.kind, error.reason, error.section, error.field, driver, label)
        )

    def _accept_machine(self, incoming: str) -> bool:
        local = self.board.side.machine_type
        if incoming == local:
            return True
        reason = refusals.other_machine_type(incoming, local)
        self._refuse("", LoadError("machine-type", reason, "configuration"))
        return False

    def _load_memory(self, event: RamBlockList | RamPages) -> bool:
        if isinstance(event, RamPages):
            surroundings.take_pages(self.board.platform.ram, event)
            return True
        reason = surroundings.blocks_refused(event, self.board.platform.ram)
        if reason:
            self._refuse("", LoadError("ramblock", reason, surroundings.RAM_IDSTR))
        return not reason

    def _load_section(self, begin: SectionBegin, payload: bytes) -> None:
        name = begin.idstr
        if name == surroundings.TIMER_IDSTR and self.board.works:
            surroundings.take_time(self.board.platform, payload)
            return
        device = self.receivers.get((name, begin.instance_id))
        if device is None:
            reason = refusals.unknown_section(name, begin.instance_id)
            self._refuse("", LoadError("unknown-section", reason, name))
            return
        try:
            self._load_device(device, begin.version_id, payload)
        except vmstate.EndOfStream:
            self._refuse(device.driver, _missing_footer(device))
        except LoadError as error:
            self._refuse(device.driver, error)

    def _load_device(self, device: Device, version: int, payload: bytes) -> None:
        places = self.arrived.setdefault(device.label, {device.section.place})
        if load_section(device, version, payload, places):
            raise _missing_footer(device)

    def _check_absences(self) -> None:
        """Refuse where an enabled feature got no state and bit 0 forbids that."""
        for device in self.board.devices:
            if device is None or not device.enabled:
                continue
            places = self.arrived.get(device.label, set())
            for section in device.section.walk():
                forbidden = section.place not in places and device.forbids(section, None)
                if forbidden and device.carries_enabled(section):
                    reason = f"{section.name}: absent, and its absence is blacklisted"
                    self._refuse(device.driver, LoadError("blacklisted", reason, section.name))


def _missing_footer(device: Device) -> LoadError:
    """The two sides disagree about the fields, which a destination alone cannot name."""
    name = device.section.name
    return LoadError("layout", refusals.missing_footer(name), name)
