"""What the tests of modelled devices share: real sections, and a machine to load them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from machines.emulator import vmstate
from machines.emulator.assembly import build
from machines.emulator.board import Device
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.catalogue.values import Catalogue
from machines.emulator.devices.processor import Processor
from machines.emulator.events import Payload, SectionBegin
from machines.emulator.guest import LocalHardware
from machines.emulator.notes import Notes
from machines.emulator.qdev import Global, compat_globals
from machines.emulator.side import Side
from machines.emulator.stream import read_events
from machines.emulator.window import open_stream
from tests.machines.emulator.real_streams import CATALOGUES, SELECTION, SHARED, stream_files


@dataclass(frozen=True, slots=True)
class RealSection:
    """A section that a real release saved; ``origin`` names the stream's file.

    ``changed`` are the properties that were set beside those of the machine type.
    """

    origin: str
    release: str
    machine_type: str
    changed: tuple[Global, ...]
    instance: int
    version: int
    payload: bytes


@cache
def catalogue(release: str) -> Catalogue:
    return read_directory(CATALOGUES / release)


def device(
    driver: str,
    release: str = "10.0",
    machine_type: str = "pc-q35-7.2",
    changed: Sequence[Global] = (),
) -> Device:
    """A modelled device alone on a machine of a release; ``changed`` are properties set there."""
    shared = catalogue(release)
    known = shared.machine_types.get(machine_type)
    compat = () if known is None else compat_globals(known.compat, machine_type)
    side = Side(release, shared, machine_type, (*compat, *changed))
    (built,) = build((side,), (driver,), Notes())[0].devices
    assert built is not None
    assert built.model is not None
    return built


def processor(of: Device, seed: str = "1") -> Processor:
    """The guest's processor on a device."""
    assert of.model is not None
    return Processor(LocalHardware(of.model, of.model.platform), seed, 2**20)


def saved_section(device: Device) -> bytes:
    """The payload of a device's section as it stands, in the version that it writes."""
    device.capture()
    payload = bytearray()
    vmstate.save(device.section.at(device.main_version()), device.state, device.sends, payload)
    return bytes(payload)


def unknown_fields(device: Device) -> Iterator[str]:
    """Fields of the release's description that the model has no variable for."""
    assert device.model is not None
    for part in device.section.walk():
        for leaf in part.current().leaves:
            if not leaf.unused and device.model.codec(leaf) is None:
                yield f"{part.name}:{leaf.field}"


def real_sections(name: str) -> tuple[RealSection, ...]:
    """Every section of that name, its bus path left out, in the streams there are."""
    return tuple(_all_sections().get(name, {}).values())


@cache
def _all_sections() -> dict[str, dict[tuple[str, int, bytes], RealSection]]:
    """Name → sections that differ, of every stream."""
    releases = {item.name for item in CATALOGUES.iterdir() if item.is_dir()}
    found: dict[str, dict[tuple[str, int, bytes], RealSection]] = {}
    for root in (SELECTION, SHARED):
        flips = _flips(root) if root.is_dir() else {}
        for path in stream_files(root) if root.is_dir() else ():
            release = next((part for part in path.parts if part in releases), "")
            changed = flips.get(str(path.relative_to(root)), ())
            for name, real in _sections_in(path, release, changed):
                key = (real.release, real.version, real.payload)
                found.setdefault(name, {}).setdefault(key, real)
    return found


def _flips(root: Path) -> dict[str, tuple[Global, ...]]:
    """Stream → the property that its machine was given; a changed destination saved none."""
    found: dict[str, tuple[Global, ...]] = {}
    for line in (root / "cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        flip = case.get("flip")
        if flip and flip["side"] == "source":
            entry = Global(flip["driver"], flip["property"], flip["flipped"], "user")
            found[case["stream"]] = (entry,)
    return found


def _sections_in(
    path: Path, release: str, changed: tuple[Global, ...]
) -> Iterator[tuple[str, RealSection]]:
    with open_stream(path) as file:
        begin: SectionBegin | None = None
        for event in read_events(file):
            if isinstance(event, SectionBegin):
                begin = event
            elif isinstance(event, Payload) and begin is not None:
                yield (
                    begin.idstr.rpartition("/")[2],
                    RealSection(
                        path.name,
                        release,
                        path.parent.name,
                        changed,
                        begin.instance_id,
                        begin.version_id,
                        event.data,
                    ),
                )
