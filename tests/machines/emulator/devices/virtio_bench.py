"""A virtio device on a machine of its own, and a driver that brought it up."""

from __future__ import annotations

from machines.emulator.board import Device
from machines.emulator.devices.processor import Processor
from machines.emulator.devices.virtio import VirtioPci
from machines.emulator.devices.virtio_driver import Driver
from machines.emulator.guest import LocalHardware
from machines.emulator.loading import load_section
from machines.emulator.pci import COMMAND, COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, FIRST_BAR
from machines.emulator.qdev import Global
from machines.emulator.vmstate import EndOfStream, LoadError
from tests.machines.emulator.modelled import device

ENABLED = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER
BASES = {0: 0xC000, 1: 0xFEB90000, 2: 0xC400, 4: 0xFE000000}
ATTEMPTS = 64


def machine(driver: str, release: str = "10.0", **properties: str) -> Device:
    """The device with its registers where a guest finds them; hyphens in properties are ``_``."""
    changed = [
        Global(driver, name.replace("_", "-"), value, "user") for name, value in properties.items()
    ]
    own = device(driver, release, "pc-q35-7.2", changed)
    model = virtio(own)
    for number, base in BASES.items():
        model.write(FIRST_BAR + 4 * number, base, 4)
    model.write(COMMAND, ENABLED, 2)
    return own


def virtio(of: Device) -> VirtioPci:
    assert isinstance(of.model, VirtioPci)
    return of.model


def started(of: Device, seed: str = "1", modern: bool = True) -> Driver:
    """A driver that brought the device up; the seed decides how."""
    for attempt in range(ATTEMPTS):
        model = virtio(of)
        driver = Driver(Processor(LocalHardware(model, model.platform), f"{seed}/{attempt}", 2**20))
        driver.start(queues=1)
        if driver.is_modern == modern:
            return driver
    raise AssertionError("no driver of that kind")


def loading(own: Device, payload: bytes) -> str:
    """What is said to a section, empty if it loads."""
    try:
        left = load_section(own, own.section.version_id, payload, set())
    except (LoadError, EndOfStream) as error:
        return str(error)
    return "Missing section footer" if left else ""
