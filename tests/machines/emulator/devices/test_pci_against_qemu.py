"""One guest program on a model and on a real QEMU 7.2: it reads the same, and what both save is the
same to the byte."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from machines.emulator.devices import virtio_blk, virtio_driver
from machines.emulator.devices.processor import Processor
from machines.emulator.events import Event, Payload, SectionBegin, write_events
from machines.emulator.migration import load_section, saved_section
from machines.emulator.stream import read_events
from tests.machines.emulator.devices.real_pci import (
    MEMORY,
    SLOT,
    Both,
    RealPci,
    modelled,
    program,
    section_of,
)

pytestmark = pytest.mark.qemu


def machine(driver: str, disk: Path) -> tuple[str, ...]:
    """The command line of a machine with the device alone."""
    if not driver.startswith("virtio-blk"):
        return ("-device", f"{driver},addr={SLOT}", "-action", "watchdog=none")
    disk.write_bytes(bytes(virtio_blk.DISK_SIZE))
    drive = f"if=none,id=disk,format=raw,file={disk}"
    return ("-drive", drive, "-device", f"{driver},addr={SLOT},drive=disk")


@pytest.mark.parametrize(
    ("driver", "steps"),
    [
        ("i6300esb", 1),
        ("i6300esb", 5),
        ("pvpanic-pci", 3),
        ("virtio-rng-pci", 4),
        ("virtio-rng-pci", 8),
        ("virtio-rng-pci-non-transitional", 6),
        ("virtio-blk-pci", 3),
        ("virtio-blk-pci", 11),
        ("virtio-blk-pci-transitional", 8),
    ],
)
def test_the_guest_program_and_the_section(driver: str, steps: int, tmp_path: Path) -> None:
    """Real entropy is another, and a real disk finishes what was asked together in its own order:
    neither is compared, everything else is."""
    own = modelled(driver)
    with RealPci(*machine(driver, tmp_path / "disk")) as real:
        both = Both(real, own, compared=lambda address: False)
        running = program(both, seed=steps)
        for _ in range(steps):
            next(running)
        saved = section_of(real.save(), own.section.name)
    assert not both.differing
    assert saved_section(own) == saved
    again = modelled(driver)
    assert again.model is not None
    again.model.platform.ram.replace(both.model.platform.ram.pages())
    assert load_section(again, own.main_version(), saved, set()) == 0
    assert saved_section(again) == saved


def test_a_real_qemu_completes_a_request_that_the_model_took(tmp_path: Path) -> None:
    own, data = modelled("virtio-blk-pci"), b"Lockstep".ljust(virtio_blk.SECTOR_SIZE, b".")
    arguments = machine("virtio-blk-pci", tmp_path / "disk")
    with RealPci(*arguments) as real:
        both = Both(real, own)
        driver = virtio_driver.Driver(Processor(both, "6", MEMORY))
        driver.start(queues=1)
        driver.offer(0, (virtio_blk.HEADER.pack(virtio_blk.OUT, 0, 3), data), (1,))
        # Only the model hears of the request; the real device has its rings in memory all the same.
        driver.processor.hardware = both.model
        driver.notify(0)
        stream = real.save()
    with RealPci(*arguments, incoming=grafted(stream, "virtio-blk", saved_section(own))) as real:
        used = driver.rings[0].used + 2
        deadline = time.monotonic() + 10
        while real.fetch(used, 2) != b"\1\0" and time.monotonic() < deadline:
            real.run(0.01)
        assert real.fetch(used, 2) == b"\1\0"
    sector = 3 * virtio_blk.SECTOR_SIZE
    assert (tmp_path / "disk").read_bytes()[sector : sector + len(data)] == data


def grafted(stream: bytes, name: str, payload: bytes) -> bytes:
    """The stream with another payload in the section of that name."""
    target = io.BytesIO()
    write_events(replaced(read_events(io.BytesIO(stream)), name, payload), target)
    return target.getvalue()


def replaced(events: Iterable[Event], name: str, payload: bytes) -> Iterator[Event]:
    inside = False
    for event in events:
        if isinstance(event, SectionBegin):
            inside = event.idstr.rpartition("/")[2] == name
        graft = isinstance(event, Payload) and inside
        yield Payload(event.offset, payload) if graft else event
