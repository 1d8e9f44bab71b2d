"""Modelled devices: hardware that a guest program can use before and after a migration.

Each module models one device from its public data sheet or specification (:class:`Model`), and has
a guest program that uses it (:data:`Exercise`). A device that is not here comes from its
description alone.
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
