"""Modelled devices: hardware that a guest program can use before and after a migration.

Each module models one device from its public data sheet or specification (:class:`Model`), and has
a guest program that uses it (:data:`Exercise`). A device that is not here comes from its
description alone.

    i8254  i8259  mc146818rtc  isa_serial   a PC's timer, interrupt controllers, clock, serial port
    i6300esb  pvpanic  pvpanic_pci          a watchdog; the panic port, on ISA and on PCI
    virtio_blk  virtio_rng                  virtio's disk and entropy device

What they are made of:

    model  platform  processor              registers and state; time, memory and interrupts around
                                            a device; the processor that runs a guest program
    pci  msix  calendar                     configuration space; messages; the time of day
    virtio  virtio_registers  virtqueue     a virtio device on PCI, by the numbers of virtio_spec,
    virtio_state  virtio_driver             as it stands in a stream, and as a guest drives it
"""

from __future__ import annotations

from dataclasses import dataclass

from machines.emulator.devices import (
    i6300esb,
    i8254,
    i8259,
    isa_serial,
    mc146818rtc,
    pvpanic,
    pvpanic_pci,
    virtio_blk,
    virtio_rng,
)
from machines.emulator.devices.model import Model
from machines.emulator.devices.processor import Exercise


@dataclass(frozen=True, slots=True)
class Modelled:
    """A model and the guest program that uses it."""

    model: type[Model]
    exercise: Exercise


_MODULES = (
    i6300esb,
    i8254,
    i8259,
    isa_serial,
    mc146818rtc,
    pvpanic,
    pvpanic_pci,
    virtio_blk,
    virtio_rng,
)
#: qdev type → its model; a type that is missing has its description alone.
MODELLED = {
    driver: Modelled(module.MODEL, module.exercise)
    for module in _MODULES
    for driver in module.MODEL.drivers
}
