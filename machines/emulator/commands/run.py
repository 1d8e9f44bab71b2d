"""``run -M NAME --catalogue DIR … -qmp ADDRESS``: a machine that runs, with a monitor as QEMU's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-M", "-machine", dest="machine", required=True, metavar="NAME")
    parser.add_argument("--catalogue", type=Path, required=True, metavar="DIR")
    parser.add_argument("-qmp", required=True, metavar="unix:PATH|tcp:HOST:PORT|stdio")
    parser.add_argument(
        "-device",
        dest="devices",
        action="append",
        default=[],
        metavar="DRIVER,PROPERTY=VALUE",
        help="a device of the machine; may be repeated",
    )
    parser.add_argument(
        "-global",
        dest="globals",
        action="append",
        default=[],
        metavar="DRIVER.PROPERTY=VALUE",
        help="a property of all devices of a type; may be repeated",
    )
    parser.add_argument("-incoming", metavar="URI", help="wait for a machine that migrates here")
    parser.add_argument("-S", dest="held", action="store_true", help="do not start the guest")
    parser.add_argument("-name", default="", help="what query-name tells")
    parser.add_argument(
        "--side", type=Path, metavar="FILE", help="features and versions, as a trial records them"
    )


def run(options: argparse.Namespace) -> int:
    from machines.emulator.monitor import run_process

    return run_process(options)
