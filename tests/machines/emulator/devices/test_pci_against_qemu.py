"""One guest program on a model and on a real QEMU 7.2: it reads the same, and what both save is the
same to the byte."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from machines.emulator.devices import virtio_blk, virtio_driver
from machines.emulator.devices import virtio_spec as spec
from machines.emulator.devices.pci import bar_offset
from machines.emulator.devices.processor import Processor
from machines.emulator.events import Event, Payload, SectionBegin, write_events
from machines.emulator.loading import load_section
from machines.emulator.pci import COMMAND, FIRST_BAR, INTERRUPT_LINE
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
from tests.machines.emulator.devices.virtio_bench import ENABLED
from tests.machines.emulator.modelled import saved_section

pytestmark = pytest.mark.qemu

LEGACY, MODERN = bar_offset(spec.LEGACY_BAR), bar_offset(spec.MODERN_BAR)
TABLE = bar_offset(spec.MSIX_BAR)
#: Offset and size of registers; of the device's own configuration the first bytes.
REGISTERS = [
    *((LEGACY + at, size) for at, size in ((0, 4), (4, 4), (8, 4), (12, 2), (14, 2), (18, 1))),
    *((LEGACY + at, size) for at, size in ((19, 1), (20, 2), (22, 2))),
    *((MODERN + at, 4) for at in (0, 4, 8, 12, *range(32, 56, 4))),
    *((MODERN + at, 2) for at in (16, 18, 22, 24, 26, 28, 30, 56, 58)),
    *((MODERN + at, 1) for at in (20, 21)),
    *((MODERN + spec.DEVICE + at, 4) for at in range(0, 60, 12)),
    *((TABLE + at, 4) for at in (0, 4, 8, 12, 28, 0x800)),
    *((at, 1) for at in (INTERRUPT_LINE, 0x88, 0x8C, 0x90, 0x94, 0x9B)),
]


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
        deadline = time.monotonic() + 60
        while real.fetch(used, 2) != b"\1\0" and time.monotonic() < deadline:
            real.run(0.01)
        assert real.fetch(used, 2) == b"\1\0"
    sector = 3 * virtio_blk.SECTOR_SIZE
    assert (tmp_path / "disk").read_bytes()[sector : sector + len(data)] == data


@pytest.mark.parametrize("driver", ["virtio-rng-pci", "virtio-blk-pci"])
@pytest.mark.parametrize("seed", range(2))
def test_random_registers_of_both_layouts(driver: str, seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    with RealPci(*machine(driver, tmp_path / "disk")) as real:
        both = Both(real, modelled(driver))
        for number, base in virtio_driver.BASES.items():
            both.write(FIRST_BAR + 4 * number, base, 4)
        both.write(COMMAND, ENABLED, 2)
        for _ in range(800):
            offset, size = draw.choice(REGISTERS)
            if draw.random() < 0.5:
                both.write(offset, written(draw, offset) & (1 << 8 * size) - 1, size)
            else:
                both.read(offset, size)
    assert not both.differing


def written(draw: random.Random, offset: int) -> int:
    """A value that starts no queue: what a device then reads of its rings is not compared here."""
    if offset == LEGACY + spec.L_QUEUE_PAGE:
        return 0
    if offset in (LEGACY + spec.L_STATUS, MODERN + spec.STATUS, MODERN + spec.QUEUE_ENABLE):
        return draw.choice((0, 1, 3))
    if offset == MODERN + spec.QUEUE_SIZE:
        return draw.choice((0, 4, 64))
    value = draw.choice((0, 1, 2, 3, 7, 0xFF, 0xFFFF, draw.getrandbits(32)))
    return value & ~(1 << spec.BAD_FEATURE)


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
