"""``check SOURCE DESTINATION --machine NAME``: what one release sends and another reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from machines.emulator.commands import CLEAN, REFUSED, print_json, read_file
from machines.emulator.compare import check_directories

if TYPE_CHECKING:
    import argparse


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
