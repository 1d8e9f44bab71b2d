"""The monitor: a running machine that is asked over QMP, as QEMU is.

=====================  ===========================================================================
:mod:`json_stream`     JSON values in a stream of bytes, told apart as QEMU does it
:mod:`protocol`        QMP's messages: greeting, requests, answers, errors, events
:mod:`arguments`       what a command's arguments have to be
:mod:`commands`        what can be asked, a module a family
:mod:`release`         the release as its own files tell of it
:mod:`channel`         where a migration stream goes to or comes from
:mod:`migrations`      the migration that goes out, the one that comes in, and how they stand
:mod:`server`          where the client sits
:mod:`options`         the command line, in QEMU's notation
:mod:`process`         all of it together: one process
=====================  ===========================================================================

The machine itself is :mod:`machines.emulator.running`; it knows no monitor. Errors, and whose
fault each is::

    EmulatorError
    ├── JsonError         json_stream: the client's bytes are no JSON
    ├── QmpError          protocol: a command's error answer
    ├── MachineError      running: the machine does not have or do what was asked for
    ├── ChannelError      channel: an address is none, or what is there does not send or take
    ├── MigrationFailed   migrations: the machine cannot be saved, the stream not be loaded
    └── OptionError       options: the command line
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

from machines.emulator.errors import EmulatorError
from machines.emulator.monitor import options as parse
from machines.emulator.monitor.process import FAILED, Process, complain
from machines.emulator.monitor.release import ToldRelease
from machines.emulator.running import RunningMachine
from machines.emulator.side import Side

if TYPE_CHECKING:
    import argparse


def run_process(options: argparse.Namespace) -> int:
    """Run one machine until it ends: QEMU's exit statuses, 0 and 1."""
    try:
        return asyncio.run(_run(options))
    except (EmulatorError, OSError) as error:
        complain(str(error))
        return FAILED


async def _run(options: argparse.Namespace) -> int:
    monitor = parse.monitor(options.qmp)
    release = ToldRelease(options.catalogue)
    machine = _machine(options, release)
    gc.freeze()  # a catalogue lives as long as the process
    process = Process(options.name, release, machine)
    return await process.run(monitor, options.incoming, autostart=not options.held)


def _machine(options: argparse.Namespace, release: ToldRelease) -> RunningMachine:
    devices = [parse.device(text) for text in options.devices]
    told = parse.SideFile() if options.side is None else parse.read_side(options.side)
    gates = [item.gate.driver for item in told.features if item.gate is not None]
    catalogue = release.catalogue_of([*(item.driver for item in devices), *gates])
    globals_ = tuple(parse.global_property(text) for text in options.globals)
    for entry in globals_:
        if entry.driver not in catalogue.types:
            complain(f"warning: global {entry.driver}.{entry.property} has invalid class name")
    side = Side(
        label=options.name or f"{catalogue.version}",
        catalogue=catalogue,
        machine_type=parse.machine_type(catalogue, options.machine),
        globals=globals_,
        features=told.features,
        savevm_versions=told.savevm_versions,
    )
    machine = RunningMachine(side, devices)
    for name, number in told.instances.items():
        machine.renumber(name, number)
    return machine
