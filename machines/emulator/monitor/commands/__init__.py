"""What the monitor can be asked: a module a family of commands, each a function.

A command's function takes the :class:`machines.emulator.monitor.process.Process` and the checked
arguments, and gives what ``return`` holds. To add one, write its function in the family's module:
:func:`command` puts it into :data:`COMMANDS`.

=====================  ===========================================================================
:mod:`control`         the monitor itself, the run state, the end
:mod:`introspection`   what the release is: its own answers
:mod:`objects`         the machine's devices and their properties
:mod:`migrating`       migration, and the versions that sections are written in
:mod:`guest`           this project's own: what the guest does, register by register
=====================  ===========================================================================
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from machines.emulator.monitor.arguments import Form

if TYPE_CHECKING:
    from machines.emulator.monitor.process import Process

FAMILIES = ("control", "introspection", "objects", "migrating", "guest")

Run = Callable[["Process", Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the form of its arguments, and what it does."""

    form: Form
    run: Run


COMMANDS: dict[str, Command] = {}


def command(name: str, form: Form | None = None) -> Callable[[Run], Run]:
    """Make the function below it the command of this name."""

    def register(run: Run) -> Run:
        COMMANDS[name] = Command(form or {}, run)
        return run

    return register


def load() -> Mapping[str, Command]:
    """Every command there is."""
    for family in FAMILIES:
        importlib.import_module(f"{__name__}.{family}")
    return COMMANDS
