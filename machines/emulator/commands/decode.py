"""``decode FILE``: everything in a stream, by name."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from machines.emulator.commands import CLEAN, BadInput, print_json, read_file
from machines.emulator.decode import decode_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file")
    parser.add_argument("--section", metavar="IDSTR", help="only the sections of this id string")


def run(options: argparse.Namespace) -> int:
    decoded = read_file(decode_file, options.file)
    if options.section is None:
        _print_stream(decoded)
        return CLEAN
    wanted = [section for section in decoded["sections"] if section["name"] == options.section]
    if options.section == "ram":
        wanted = [{"name": "ram", **decoded["ram"]}]
    if not wanted:
        raise BadInput(_unknown_section(options.file, options.section, decoded))
    print_json({"sections": wanted})
    return CLEAN


def _print_stream(decoded: Mapping[str, Any]) -> None:
    """A section a line: readable, and made without the slow indenting encoder."""
    encode = json.JSONEncoder(check_circular=False).encode  # a decoded stream is a tree
    head = encode({key: value for key, value in decoded.items() if key != "sections"})
    sys.stdout.write(f'{head[:-1]}, "sections": [')
    separator = "\n"
    for section in decoded["sections"]:
        sys.stdout.write(separator + encode(section))
        separator = ",\n"
    sys.stdout.write("\n]}\n")


def _unknown_section(file: str, wanted: str, decoded: Mapping[str, Any]) -> str:
    names = dict.fromkeys(["ram", *(section["name"] for section in decoded["sections"])])
    return f"{file}: has no section {wanted!r}; it has {', '.join(names)}"
