"""What migrates of a machine beside its devices: guest memory and virtual time.

Memory travels in the iterative section ``ram`` (migration/ram.c), its block list in the START and
every page that is not zero in the END; time in the section ``timer`` (system/cpu-timers.c).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from machines.emulator import refusals
from machines.emulator.devices.platform import RAM_BLOCK, GuestRam, Platform
from machines.emulator.errors import StreamError
from machines.emulator.events import (
    Event,
    Payload,
    RamBlock,
    RamBlockList,
    RamFlag,
    RamMark,
    RamPages,
    SectionBegin,
    SectionEnd,
    SectionType,
    name_bytes,
)
from machines.emulator.memory import TARGET_PAGE_SIZE

RAM_IDSTR, RAM_VERSION = "ram", 4
TIMER_IDSTR, TIMER_VERSION = "timer", 2
_TIMER = struct.Struct(">q8xq")  # cpu_ticks_offset, unused, cpu_clock_offset


def saved(platform: Platform) -> Iterator[Event]:
    """The sections of memory and time, with section ids 1 and 2."""
    block = RamBlock(RAM_BLOCK, platform.ram.size)
    yield SectionBegin(0, SectionType.START, 1, RAM_IDSTR, 0, RAM_VERSION)
    yield RamBlockList(0, block.length, (block,))
    yield RamMark(0, RamFlag.EOS)
    yield SectionEnd(0, 1, True)
    yield SectionBegin(0, SectionType.END, 1, RAM_IDSTR, 0, RAM_VERSION)
    yield from _pages(platform.ram)
    yield RamMark(0, RamFlag.EOS)
    yield SectionEnd(0, 1, True)
    yield SectionBegin(0, SectionType.FULL, 2, TIMER_IDSTR, 0, TIMER_VERSION)
    yield Payload(0, _TIMER.pack(0, platform.now))
    yield SectionEnd(0, 2, True)


#: What the vmdescription says of time; memory is not described.
DESCRIPTION = {
    "name": TIMER_IDSTR,
    "instance_id": 0,
    "vmsd_name": TIMER_IDSTR,
    "version": TIMER_VERSION,
    "fields": [
        {"name": "cpu_ticks_offset", "type": "int64", "size": 8},
        {"name": "unused", "type": "unused_buffer", "size": 8},
        {"name": "cpu_clock_offset", "type": "int64", "size": 8},
    ],
}
#: How many sections :func:`saved` writes.
SECTIONS = 2


def _pages(ram: GuestRam) -> Iterator[RamPages]:
    for number, (address, content) in enumerate(ram.pages().items()):
        same_block = RamFlag.CONTINUE if number else 0
        name = b"" if number else name_bytes(RAM_BLOCK)
        head = struct.pack(">Q", address | RamFlag.PAGE | same_block) + name
        yield RamPages(0, RAM_BLOCK, RamFlag.PAGE, 1, head + content)


def blocks_refused(incoming: RamBlockList, ram: GuestRam) -> str:
    """Why the destination does not take a block list, in QEMU's words; empty where it does."""
    for block in incoming.blocks:
        if block.name != RAM_BLOCK:
            return refusals.unknown_ram_block(block.name)
        if block.length != ram.size:
            return refusals.resized_ram_block(block.name, block.length, ram.size)
    return ""


def take_pages(ram: GuestRam, record: RamPages) -> None:
    """Put page records into memory. Raises :class:`StreamError` for a kind that is never sent."""
    if record.kind not in (RamFlag.PAGE, RamFlag.ZERO):
        raise StreamError(record.offset, RAM_IDSTR, f"pages of kind {record.kind!r}")
    data, at = bytes(record.data), 0
    for _ in range(record.pages):
        (word,) = struct.unpack_from(">Q", data, at)
        at += 8
        if not word & RamFlag.CONTINUE:
            at += 1 + data[at]
        address = word & ~(TARGET_PAGE_SIZE - 1)
        if record.kind == RamFlag.ZERO:
            ram.write(address, data[at : at + 1] * TARGET_PAGE_SIZE)
            at += 1
        else:
            ram.write(address, data[at : at + TARGET_PAGE_SIZE])
            at += TARGET_PAGE_SIZE


def take_time(platform: Platform, payload: bytes) -> None:
    """Set virtual time from the ``timer`` section. Raises :class:`StreamError` for another size."""
    if len(payload) != _TIMER.size:
        raise StreamError(0, TIMER_IDSTR, f"{len(payload)} bytes instead of {_TIMER.size}")
    platform.now = _TIMER.unpack(payload)[1]
