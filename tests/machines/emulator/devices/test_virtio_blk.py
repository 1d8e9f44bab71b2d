"""The block device: requests, their answers, and those that migrate in flight."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machines.emulator.board import Device
from machines.emulator.devices import virtio_blk as blk
from machines.emulator.devices.virtio_blk import VirtioBlk
from machines.emulator.devices.virtio_driver import Driver
from machines.emulator.loading import load_section
from machines.emulator.machine import Side, trial
from machines.emulator.qdev import Global
from tests.machines.emulator.devices.virtio_bench import loading, machine, started, virtio
from tests.machines.emulator.modelled import catalogue, saved_section

DRIVER = "virtio-blk-pci"
SECTOR = bytes(range(256)) * 2


def disk_of(own: Device) -> VirtioBlk:
    model = own.model
    assert isinstance(model, VirtioBlk)
    return model


def ask(own: Device, driver: Driver, kind: int, sector: int, data: bytes, room: int = 0) -> int:
    """Make one request and let the disk do it: where its answer stands."""
    header = blk.HEADER.pack(kind, 0, sector)
    driver.offer(0, (header, data) if data else (header,), (room, 1) if room else (1,))
    answer = driver.free - 16 - (-(-room // 16) * 16 if room else 0)
    driver.notify(0)
    disk_of(own).platform.advance(blk.REQUEST_TIME)
    return answer


def answered(
    own: Device, driver: Driver, kind: int, sector: int, data: bytes = b"", room: int = 0
) -> tuple[int, bytes]:
    """A request's status and what the driver got. Without indirect tables buffers follow."""
    answer = ask(own, driver, kind, sector, data, room)
    ram = disk_of(own).platform.ram
    status = answer + -(-room // 16) * 16
    return ram.read(status, 1)[0], ram.read(answer, room)


@pytest.fixture
def own() -> Device:
    return plain()


def plain(release: str = "10.0", **properties: str) -> Device:
    return machine(DRIVER, release, **properties)


def simple(own: Device) -> Driver:
    """A driver that uses no indirect tables, so that buffers lie where they are expected."""
    driver = started(own)
    driver.accepted &= ~(1 << 28)
    return driver


def test_what_was_written_is_read_and_flushed(own: Device) -> None:
    driver = simple(own)
    assert answered(own, driver, blk.OUT, 7, SECTOR)[0] == blk.OK
    assert disk_of(own).disk[7 * 512 : 8 * 512] == SECTOR
    assert answered(own, driver, blk.TO_FLUSH, 0)[0] == blk.OK
    assert answered(own, driver, blk.IN, 7, room=512) == (blk.OK, SECTOR)


def test_discarding_and_zeroing_leave_zeroes(own: Device) -> None:
    driver = simple(own)
    for kind in (blk.TO_DISCARD, blk.TO_WRITE_ZEROES):
        disk_of(own).disk[1024:2048] = SECTOR * 2
        assert answered(own, driver, kind, 0, blk.RANGE.pack(2, 1, 0))[0] == blk.OK
        assert disk_of(own).disk[1024:2048] == bytes(512) + SECTOR


@pytest.mark.parametrize(
    ("kind", "sector", "data", "room", "status"),
    [
        (blk.IN, blk.DISK_SIZE // 512, b"", 512, blk.IO_ERROR),
        (blk.IN, 2**55, b"", 512, blk.IO_ERROR),
        (blk.IN, 0, b"", 100, blk.IO_ERROR),
        (blk.OUT, blk.DISK_SIZE // 512 - 1, SECTOR * 2, 0, blk.IO_ERROR),
        (blk.TO_DISCARD, 0, blk.RANGE.pack(0, 1, blk.UNMAP), 0, blk.UNSUPPORTED),
        (blk.TO_DISCARD, 0, blk.RANGE.pack(2**50, 1, 0), 0, blk.IO_ERROR),
        (blk.TO_WRITE_ZEROES, 0, b"short", 0, blk.UNSUPPORTED),
        (blk.SCSI_COMMAND, 0, b"", 0, blk.UNSUPPORTED),
        (99, 0, b"", 0, blk.UNSUPPORTED),
    ],
)
def test_what_the_disk_cannot_do(
    own: Device, kind: int, sector: int, data: bytes, room: int, status: int
) -> None:
    assert answered(own, simple(own), kind, sector, data, room)[0] == status


def test_the_serial_number_is_the_propertys() -> None:
    own = plain(serial="MIGRATES-42")
    status, given = answered(own, simple(own), blk.GET_ID, 0, room=20)
    assert (status, given.rstrip(b"\0")) == (blk.OK, b"MIGRATES-42")


def test_the_configuration_follows_from_the_properties() -> None:
    own = plain("7.2", queue_size="64", num_queues="2", max_discard_sectors="8")
    driver, sectors = started(own), blk.DISK_SIZE // 512
    assert driver.read_config(0, 4) == sectors
    assert driver.read_config(12, 4) == 62  # segments: the queue's size but header and status
    assert driver.read_config(20, 4) == 512
    assert driver.read_config(34, 2) == 2
    assert driver.read_config(36, 4) == 8
    assert driver.read_config(57, 4) == 0xFFFFFFFF


@pytest.mark.parametrize(("queues", "release"), [("1", "7.2"), ("1", "11.1"), ("4", "11.1")])
def test_requests_in_flight_are_completed_at_the_destination(queues: str, release: str) -> None:
    own = plain("7.2", num_queues=queues)
    driver = simple(own)
    for sector in range(3):
        driver.offer(0, (blk.HEADER.pack(blk.OUT, 0, sector), SECTOR), (1,))
    driver.notify(0)
    disk_of(own).platform.advance(blk.REQUEST_TIME // 2)
    payload = saved_section(own)
    there = plain(release, num_queues=queues)
    disk_of(there).platform.ram.replace(disk_of(own).platform.ram.pages())
    assert load_section(there, 2, payload, set()) == 0
    assert saved_section(there) == payload
    assert [item.element for item in disk_of(there).requests] == [
        item.element for item in disk_of(own).requests
    ]
    assert not any(disk_of(there).disk)
    disk_of(there).platform.advance(blk.REQUEST_TIME)
    assert disk_of(there).disk[: 3 * 512] == SECTOR * 3
    assert virtio(there).queues[0].used_index == 3


def test_a_reset_forgets_what_was_in_flight(own: Device) -> None:
    driver = simple(own)
    driver.offer(0, (blk.HEADER.pack(blk.OUT, 0, 0), SECTOR), (1,))
    driver.notify(0)
    driver.set_status(0)
    disk_of(own).platform.advance(2 * blk.REQUEST_TIME)
    assert not any(disk_of(own).disk)
    assert disk_of(own).device_state() == b"\0"


def test_a_request_of_a_queue_that_there_is_not_is_refused() -> None:
    own = plain(num_queues="2")
    driver = simple(own)
    driver.offer(0, (blk.HEADER.pack(blk.OUT, 0, 0), SECTOR), (1,))
    driver.notify(0)
    payload = saved_section(own)
    at = payload.index(b"\1\0\0\0\0" + struct.pack("<III", 0, 2, 1))
    there = plain(num_queues="2")
    disk_of(there).platform.ram.replace(disk_of(own).platform.ram.pages())
    damaged = payload[: at + 4] + b"\5" + payload[at + 5 :]
    assert loading(there, damaged) == "Invalid virtqueue index in request list: 0x5"


def test_fewer_queues_at_the_destination_are_refused() -> None:
    """The features tell: a guest of several queues has accepted that there are several."""
    many, one = (
        Side(count, catalogue("7.2"), "pc-q35-7.2", (Global(DRIVER, "num-queues", count, "user"),))
        for count in ("4", "1")
    )
    result = trial((many, one), (DRIVER,), 1)
    assert (result.outcome, result.kind) == ("refused", "pci-config")  # a vector for each queue
    assert trial((many, many), (DRIVER,), 1).outcome == "correct"


def test_two_disks_keep_apart_and_the_chain_back_is_correct() -> None:
    here, there = (Side(name, catalogue(name), "pc-q35-7.2") for name in ("7.2", "11.1"))
    for seed in range(4):
        result = trial((here, there, here), (DRIVER, DRIVER), seed)
        assert result.outcome == "correct", result.reason


@settings(max_examples=60)
@given(
    changes=st.dictionaries(st.integers(0, 2**17), st.integers(0, 255), min_size=1, max_size=12),
    memory=st.dictionaries(st.integers(0, 0x3000), st.integers(0, 255), max_size=12),
)
def test_any_state_with_requests_in_flight(changes: dict[int, int], memory: dict[int, int]) -> None:
    """It loads or is refused; where it loads, the device comes to rest and can be saved."""
    own = plain("7.2")
    driver = simple(own)
    for sector in range(2):
        driver.offer(0, (blk.HEADER.pack(blk.OUT, 0, sector), SECTOR), (1,))
    driver.notify(0)
    driver.offer(0, (blk.HEADER.pack(blk.IN, 0, 0),), (512, 1))
    payload = bytearray(saved_section(own))
    head = 500  # what stands before the request, whose buffers are mostly zeroes
    for at, byte in changes.items():
        payload[at % (head if at & 1 else len(payload))] = byte
    there = plain("7.2")
    platform = disk_of(there).platform
    platform.ram.replace(disk_of(own).platform.ram.pages())
    for at, byte in memory.items():
        platform.ram.write(2**20 + at, bytes((byte,)))
    if not loading(there, bytes(payload)):
        platform.advance(10 * blk.REQUEST_TIME)
        assert len(saved_section(there)) >= head
