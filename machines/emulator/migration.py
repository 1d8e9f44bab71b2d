"""One migration between two boards: save, load, and compare what arrived.

Saving and loading follow migration/savevm.c and refuse in its words; the stream between them is
QEMU's wire format. Comparing tells which state was lost, and whether the policy allows that.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from machines.emulator import surroundings, vmstate
from machines.emulator.board import Board, Device, Notes, SectionKey
from machines.emulator.devices.processor import Hardware
from machines.emulator.errors import EmulatorError
from machines.emulator.events import (
    Configuration,
    EndOfSections,
    Event,
    FileHeader,
    Payload,
    RamBlockList,
    RamPages,
    SectionBegin,
    SectionEnd,
    SectionType,
    VmDescription,
    write_events,
)
from machines.emulator.guest import Pairing, Program, local_hardware
from machines.emulator.layout import Leaf, Section
from machines.emulator.losses import Comparison, Difference
from machines.emulator.memo import remembered
from machines.emulator.stream import MAX_DEVICE_STATE, read_events
from machines.emulator.vmstate import LoadError

NAMED_FIELDS = 8
MISSING_FOOTER = "Missing section footer"

Outcome = Literal["correct", "degraded", "corrupt", "refused"]


class StateTooLarge(EmulatorError):
    """The machine's state is more than a stream may hold."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One section's refusal. ``side`` is the label of the side that refuses."""

    kind: str
    reason: str
    section: str
    field: str
    device: str
    side: str


@dataclass(frozen=True, slots=True)
class Hop:
    """One migration of a chain. ``problems`` are all refusals, the first one decided.

    ``section``, ``field`` and ``kind`` place the outcome, empty where it is correct.
    """

    source: str
    destination: str
    outcome: Outcome
    reason: str
    section: str
    field: str
    kind: str
    sections: int
    stream_bytes: int
    problems: tuple[Problem, ...] = ()


# --- Saving ---------------------------------------------------------------------------------------


class Saving:
    """Writes a board's stream, as savevm.c does for a paused machine."""

    def __init__(self, board: Board, notes: Notes) -> None:
        self.board = board
        self.notes = notes
        self.problems: list[Problem] = []
        self.stream = b""
        self.sections = 0
        #: device index → section's place → version that was sent
        self.sent: list[dict[str, int]] = [{} for _ in board.devices]

    def run(self) -> None:
        """Fill ``stream``, or ``problems`` where a section may not be saved."""
        events: list[Event] = [FileHeader(0), Configuration(0, self.board.side.machine_type)]
        if self.board.works:
            events += surroundings.saved(self.board.platform)
            self.sections = surroundings.SECTIONS
        described = [json.dumps(surroundings.DESCRIPTION)] if self.board.works else []
        for index, device in enumerate(self.board.devices):
            if device is None or device.stateless:
                continue
            device.capture()
            if not device.migratable:
                reason = f"State blocked by non-migratable device '{device.section.name}'"
                self._refuse(device, device.section, "unmigratable", reason)
            elif self._may_save(device):
                payload, description = self._save_device(device, index)
                described.append(description)
                events += self._section(device, payload)
        text = f'{{"page_size": 4096, "devices": [{", ".join(described)}]}}'
        events += [EndOfSections(0), VmDescription(0, text.encode())]
        target = io.BytesIO()
        write_events(events, target)
        self.stream = target.getvalue()
        if len(self.stream) > MAX_DEVICE_STATE:
            size = len(self.stream)
            raise StateTooLarge(f"a state of {size} bytes is more than {MAX_DEVICE_STATE}")

    def _refuse(self, device: Device, section: Section, kind: str, reason: str) -> None:
        label = self.board.side.label
        self.problems.append(Problem(kind, reason, section.name, "", device.driver, label))

    def _section(self, device: Device, payload: bytes) -> tuple[Event, ...]:
        self.sections += 1
        number, name, version = self.sections, device.section.name, device.main_version()
        return (
            SectionBegin(0, SectionType.FULL, number, name, device.instance, version),
            Payload(0, payload),
            SectionEnd(0, number, True),
        )

    def _may_save(self, device: Device) -> bool:
        """Check every version that the device would write. Notes what force overrides."""
        before = len(self.problems)
        for section in device.section.walk():
            if section is device.section:
                self._check(device, section, device.main_version())
                continue
            version = device.sends(section)
            needed = device.left_out(section) and device.carries_enabled(section)
            if version is not None or needed:
                self._check(device, section, version)
        return len(self.problems) == before

    def _check(self, device: Device, section: Section, version: int | None) -> None:
        """Check what would be written of a section; None: it is left out."""
        found = device.objection(section, version)
        if found is None:
            return
        kind, objection = found
        if device.is_forced(section):
            label = self.board.side.label
            self.notes.forced[f"{label}: {device.driver}: forced although {objection}"] = None
        else:
            self._refuse(device, section, kind, objection)

    def _save_device(self, device: Device, index: int) -> tuple[bytes, str]:
        """The payload of the device's section, and its entry in the vmdescription."""
        section, sent = device.section, self.sent[index]
        version = device.main_version()
        sent[section.place] = version
        decided: dict[str, int | None] = {}

        def sends(part: Section) -> int | None:
            if part.place not in decided:
                decided[part.place] = device.sends(part)
            chosen = decided[part.place]
            if chosen is not None:
                sent[part.place] = chosen
            return chosen

        block = section.at(version)
        payload = bytearray()
        vmstate.save(block, device.state, sends, payload)
        if device.model is not None:
            entries = json.dumps(vmstate.describe(block, sends, device.shape))[1:]
        else:
            entries = remembered(
                ("describe", id(block), tuple(sorted(sent.items()))),
                (block,),
                lambda: json.dumps(vmstate.describe(block, sends))[1:],
            )
        head = json.dumps({"name": section.name, "instance_id": device.instance})
        return bytes(payload), f"{head[:-1]}, {entries}"


def saved_section(device: Device) -> bytes:
    """The payload of a device's section as it stands, in the version that it writes."""
    device.capture()
    payload = bytearray()
    vmstate.save(device.section.at(device.main_version()), device.state, device.sends, payload)
    return bytes(payload)


# --- Loading --------------------------------------------------------------------------------------


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
        known = section.version_id
        reason = f"savevm: unsupported version {version} for '{section.name}' v{known}"
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
        reason = f"Machine type received is '{incoming}' and local is '{local}'"
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
            reason = f"Unknown savevm section or instance '{name}' {begin.instance_id}"
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
    return LoadError("layout", f"{MISSING_FOOTER} for {name}", name)


# --- From one side to the other -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a machine on its way: every refusal, and what was sent.

    ``sent``: by a device's place on the board, its sections' places → version that was sent.
    """

    problems: Sequence[Problem]
    sent: Sequence[Mapping[str, int]]
    sections: int = 0
    stream_bytes: int = 0


class Transfer(Protocol):
    """How machines are reached and get from one side to the other."""

    def begin(self, boards: Sequence[Board]) -> None:
        """The boards of all sides are built; the guest begins on the first."""
        ...

    def hardware(self, board: Board, place: int) -> Hardware:
        """The modelled device at a board's place, as its guest reaches it."""
        ...

    def carry(self, source: Board, destination: Board, notes: Notes) -> Carried:
        """Take the machine over: afterwards both boards' devices hold their state, as it was
        saved and as it was loaded. Raises :class:`StateTooLarge`."""
        ...


class InProcess:
    """Both machines are boards of this process; the stream goes from hand to hand."""

    def begin(self, boards: Sequence[Board]) -> None:
        """Nothing is to be done."""

    def hardware(self, board: Board, place: int) -> Hardware:
        return local_hardware(board, place)

    def carry(self, source: Board, destination: Board, notes: Notes) -> Carried:
        saving = Saving(source, notes)
        saving.run()
        problems = saving.problems
        if not problems:
            loading = Loading(destination)
            loading.run(saving.stream)
            problems = loading.problems
        return Carried(problems, saving.sent, saving.sections, len(saving.stream))


# --- The whole of it ------------------------------------------------------------------------------


class Migration:
    """Takes the machine from the source to the destination, compares, and judges."""

    def __init__(
        self,
        source: Board,
        destination: Board,
        program: Program,
        relaxed: Mapping[SectionKey, frozenset[int]],
        number: int,
        transfer: Transfer,
    ) -> None:
        self.source = source
        self.destination = destination
        self.program = program
        self.relaxed = relaxed
        self.number = number
        self.pairings = program.pairings[number]
        self.transfer = transfer
        self.carried = Carried((), ())
        self.differences: list[Difference] = []

    def run(self) -> Hop:
        """Migrate. Where it is accepted, the program stands on the destination afterwards."""
        problems = self._missing_devices() or self._transfer()
        if problems:
            first = problems[0]
            return self._hop(
                "refused", first.reason, first.section, first.field, first.kind, problems
            )
        self.program.arrive(self.destination, self.number)
        for pairing, sent in zip(self.pairings, self.carried.sent, strict=True):
            if pairing is not None:
                compared = Comparison(pairing, sent, self.relaxed, self.number)
                self.differences += compared.differences()
        corrupt = [item for item in self.differences if not item.allowed_by]
        if corrupt:
            return self._corrupt(corrupt[0])
        if self.differences:
            return self._degraded()
        self._note_conflicts()
        return self._hop("correct")

    def _missing_devices(self) -> list[Problem]:
        problems = []
        for first, second in zip(self.source.devices, self.destination.devices, strict=True):
            present = first or second
            if first is not None and second is not None:
                continue
            side = self.source.side if first is None else self.destination.side
            driver = "" if present is None else present.driver
            reason = f"'{driver}' is not a valid device model name"
            problems.append(Problem("unknown-device", reason, "", "", driver, side.label))
        return problems

    def _transfer(self) -> list[Problem]:
        self.carried = self.transfer.carry(self.source, self.destination, self.program.notes)
        return [self._placed(problem) for problem in self.carried.problems]

    def _placed(self, problem: Problem) -> Problem:
        """The problem, with the field about which both sides' descriptions disagree."""
        if problem.field or not problem.reason.startswith(MISSING_FOOTER):
            return problem
        places = (
            _first_difference(pairing)
            for pairing in self.pairings
            if pairing is not None and pairing.destination.driver == problem.device
        )
        return replace(problem, field=next(places, ""))

    def _hop(
        self,
        outcome: Outcome,
        reason: str = "",
        section: str = "",
        place: str = "",
        kind: str = "",
        problems: Sequence[Problem] = (),
    ) -> Hop:
        return Hop(
            source=self.source.side.label,
            destination=self.destination.side.label,
            outcome=outcome,
            reason=reason,
            section=section,
            field=place,
            kind=kind,
            sections=self.carried.sections,
            stream_bytes=self.carried.stream_bytes,
            problems=tuple(problems),
        )

    def _degraded(self) -> Hop:
        first, count = self.differences[0], len(self.differences)
        names = [f"{item.section}:{item.field}" for item in self.differences[:NAMED_FIELDS]]
        more = f" and {count - NAMED_FIELDS} more" if count > NAMED_FIELDS else ""
        reason = f"state lost as allowed: {', '.join(names)}{more}"
        return self._hop("degraded", reason, first.section, first.field, first.kind)

    def _corrupt(self, first: Difference) -> Hop:
        """Explain the first difference: by a layout that differs, where that is its cause."""
        for pairing in self.pairings:
            if pairing is None or pairing.source.driver != first.device:
                continue
            for ours, theirs in pairing.conflicts:
                if ours.section == first.section and first.field in (ours.field, theirs.field):
                    reason = _conflict(ours, theirs)
                    return self._hop("corrupt", reason, first.section, ours.field, "layout")
        owner = f" of feature {first.feature}" if first.feature else ""
        reason = f"{first.section}: field {first.field}{owner} is {first.kind}, no policy allows it"
        return self._hop("corrupt", reason, first.section, first.field, first.kind)

    def _note_conflicts(self) -> None:
        """Two layouts under one version did no harm: what they disagree about was in reset."""
        for pairing in self.pairings:
            for ours, theirs in () if pairing is None else pairing.conflicts:
                self.program.notes.assume(f"{_conflict(ours, theirs)}; neither was in use")


def _conflict(ours: Leaf, theirs: Leaf) -> str:
    return f"{ours.section}: same version, different layout: {ours.field} is read as {theirs.field}"


def _first_difference(pairing: Pairing) -> str:
    """The first field about which two descriptions of a section disagree."""
    if pairing.conflicts:
        return pairing.conflicts[0][0].field
    version = pairing.source.main_version()
    ours = pairing.source.section.at(version).leaves
    theirs = pairing.destination.section.at(version).leaves
    longer = ours if len(ours) > len(theirs) else theirs
    known = {leaf.field for leaf in (theirs if longer is ours else ours)}
    fields = (leaf.field for leaf in longer if not leaf.unused)
    return next((name for name in fields if name not in known), _hidden_subsection(pairing.source))


def _hidden_subsection(device: Device) -> str:
    """A subsection that was sent, but is read as an earlier one of the same name.

    A release may describe two (``sd-card`` of QEMU 11.1 does); loading finds the first.
    """
    sent = (part for part in device.section.walk() if device.sends(part) is not None)
    return next((part.path for part in sent if part.is_hidden), "")
