"""``diff A B``: two streams, field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machines.emulator.commands import CLEAN, REFUSED, print_json, read_file
from machines.emulator.decode import decode_file, differences

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a")
    parser.add_argument("b")


def run(options: argparse.Namespace) -> int:
    found = differences(read_file(decode_file, options.a), read_file(decode_file, options.b))
    print_json({"differences": found})
    return REFUSED if found else CLEAN
