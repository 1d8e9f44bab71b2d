"""The emulator's command line: one module a command, loaded only when it is asked for.

A command's module has two functions: ``add_arguments(parser)``, and ``run(options)``, which tells
the exit status. To add one, write its module and a line in :data:`COMMANDS`. A command imports
only what it needs, as a start should not cost more than the answer.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from typing import TYPE_CHECKING

from machines.emulator.errors import EmulatorError, StreamError
from machines.emulator.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any, TypeVar

    Read = TypeVar("Read")
    Name = TypeVar("Name", str, Path)

#: Exit status: accepted or clean; refused or differences; the input cannot be used.
CLEAN, REFUSED, BAD_INPUT = 0, 1, 2

#: Module of this package → what it does.
COMMANDS = {
    "decode": "print a stream as JSON",
    "diff": "compare two streams field by field",
    "trial": "would a release load a stream?",
    "check": "compare what two releases send and read",
    "run": "run a machine that is asked over QMP",
}
_PROGRAM = "python -m machines.emulator"


class BadInput(EmulatorError):
    """What was given cannot be used; the message is for the person who gave it."""


def main(arguments: Sequence[str] | None = None, program: str = _PROGRAM) -> int:
    """Run one command; tells the exit status. Answers are JSON on standard output.

    ``program`` is what the help calls it.

    What is wrong with the input is a message on standard error and status 2.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given or given[0] not in COMMANDS:
        _overview().parse_args(given[:1])  # ends here, with help or an error
        return BAD_INPUT
    command = importlib.import_module(f"{__name__}.{given[0]}")
    parser = argparse.ArgumentParser(
        prog=f"{program} {given[0]}",
        description=COMMANDS[given[0]],
        formatter_class=_Help,
    )
    command.add_arguments(parser)
    options = parser.parse_args(given[1:])
    try:
        status: int = command.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the answer has seen enough; Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BAD_INPUT
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{harmless(message_of(error))}\n")
        return BAD_INPUT
    return status


class _Help(argparse.HelpFormatter):
    """Help of a fixed width: asking for the terminal's imports more than an answer needs."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=98)


def _overview() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<8} {help_text}" for name, help_text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        usage=f"{_PROGRAM} COMMAND …",
        description="Looks into QEMU migration streams and tells what a release makes of them.",
        epilog=f"commands:\n{listed}\n\n{_PROGRAM} COMMAND --help tells a command's arguments.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS, help=argparse.SUPPRESS)
    return parser


def message_of(error: Exception) -> str:
    """What a person is told of an error."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def read_file(reader: Callable[[Name], Read], path: Name) -> Read:
    """What ``reader`` makes of a stream's file; its :class:`StreamError` then names the file."""
    try:
        return reader(path)
    except StreamError as error:
        raise BadInput(f"{path}: {error}") from error


def print_json(document: Any) -> None:
    """One answer, on one line."""
    sys.stdout.write(json.dumps(document) + "\n")
