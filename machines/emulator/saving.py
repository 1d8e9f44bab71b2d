"""Saving a machine: its state as a stream in QEMU's wire format (migration/savevm.c).

What may not be written is refused: in QEMU's words where QEMU would, and where a bitmap forbids
it, which is this project's own.
"""

from __future__ import annotations

import io
import json

from machines.emulator import refusals, surroundings, vmstate
from machines.emulator.board import Board, Device
from machines.emulator.errors import EmulatorError
from machines.emulator.events import (
    Configuration,
    EndOfSections,
    Event,
    FileHeader,
    Payload,
    SectionBegin,
    SectionEnd,
    SectionType,
    VmDescription,
    write_events,
)
from machines.emulator.layout import Section
from machines.emulator.memo import remembered
from machines.emulator.notes import Notes, Problem
from machines.emulator.stream import MAX_DEVICE_STATE


class StateTooLarge(EmulatorError):
    """The machine's state is more than a stream may hold."""


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
                reason = refusals.unmigratable(device.section.name)
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
