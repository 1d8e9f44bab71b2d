"""The entropy device: what a guest gets does not depend on a migration, and a limit holds."""

from machines.emulator.devices.virtio_rng import NS_PER_MS, VirtioRng
from tests.machines.emulator.devices.virtio_bench import machine, started, virtio

MEMORY = 2**20


def test_the_same_request_gets_the_same_bytes_on_every_machine() -> None:
    seen = []
    for release in ("7.2", "11.1"):
        own = machine("virtio-rng-pci", release)
        driver = started(own)
        for length in (7, 64):
            driver.offer(0, (), (length,))
        driver.notify(0)
        buffers = MEMORY + 0x8000
        seen.append(virtio(own).platform.ram.read(buffers, 128))
        assert virtio(own).queues[0].used_index == 2
    assert seen[0] == seen[1]
    assert seen[0].strip(b"\0")


def test_two_requests_and_two_devices_get_different_bytes() -> None:
    first, second = machine("virtio-rng-pci"), machine("virtio-rng-pci")
    virtio(second).instance = 1
    seen = set()
    for own in (first, second):
        driver = started(own)
        for _ in range(2):
            driver.offer(0, (), (16,))
        driver.notify(0)
        ram = virtio(own).platform.ram
        seen |= {ram.read(MEMORY + 0x8000 + at, 16) for at in range(0, 64, 16)} - {bytes(16)}
    assert len(seen) >= 4


def test_a_limit_makes_requests_wait_for_the_next_period() -> None:
    own = machine("virtio-rng-pci", max_bytes="10", period="5")
    driver, model = started(own), virtio(own)
    assert isinstance(model, VirtioRng)
    for length in (8, 8, 8):
        driver.offer(0, (), (length,))
    driver.notify(0)
    assert (model.queues[0].used_index, model.quota) == (2, 0)  # the second was filled in part
    model.platform.advance(5 * NS_PER_MS - 1)
    assert model.queues[0].used_index == 2
    model.platform.advance(1)
    assert model.queues[0].used_index == 3
