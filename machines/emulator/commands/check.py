"""``check SOURCE DESTINATION --machine NAME``: what one release sends and another reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from machines.emulator.catalogue import CatalogueError
from machines.emulator.commands import CLEAN, REFUSED, print_json, read_file
from machines.emulator.compare import Finding, check
from machines.emulator.parties import Party
from machines.emulator.sent import drivers_of

if TYPE_CHECKING:
    import argparse

    from machines.emulator.snapshot import Snapshot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="SOURCE_CATALOGUE")
    parser.add_argument("destination", type=Path, metavar="DESTINATION_CATALOGUE")
    parser.add_argument("--machine", required=True, metavar="NAME")
    parser.add_argument("--device", action="append", default=[], metavar="TYPE")
    parser.add_argument("--devices-of", type=Path, metavar="STREAM")


def run(options: argparse.Namespace) -> int:
    devices = set(options.device) if options.device or options.devices_of else None
    sent = None
    if options.devices_of:
        from machines.emulator.snapshot import read_snapshot

        sent = read_file(read_snapshot, options.devices_of)
    findings = check_directories(
        options.source, options.destination, options.machine, devices, sent
    )
    print_json({"findings": [finding.as_json() for finding in findings]})
    return REFUSED if any(finding.grade != "harmless" for finding in findings) else CLEAN


def check_directories(
    source: Path,
    destination: Path,
    machine: str,
    devices: set[str] | None = None,
    sent: Snapshot | None = None,
) -> list[Finding]:
    """What two catalogue folders disagree about; ``sent`` adds the devices of a stream.

    Raises :class:`CatalogueError` for a folder that cannot be read, and for a device type that
    the source does not have.
    """
    ours, theirs = Party.read(source, machine), Party.read(destination, machine)
    for party, directory in ((ours, source), (theirs, destination)):
        if machine not in _machine_names(party.release.document("machines")):
            raise CatalogueError(str(directory), f"has no machine type {machine!r}")
    for device in sorted(devices or ()):
        if device not in ours.descriptions and device not in ours.release.types:
            raise CatalogueError(str(source), f"has no device type {device!r}")
    wanted = None if devices is None else set(devices)
    if sent is not None:
        wanted = (wanted or set()) | set(drivers_of(sent, ours.descriptions))
    return check(ours, theirs, wanted)


def _machine_names(document: Any) -> set[str]:
    """Names and aliases from the answer to ``query-machines``."""
    entries = document if isinstance(document, list) else []
    return {
        str(entry[key])
        for entry in entries
        if isinstance(entry, dict)
        for key in ("name", "alias")
        if key in entry
    }
