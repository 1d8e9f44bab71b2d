"""MSI-X: messages, masks, and what is pending, as the guest finds it in its own memory."""

from machines.emulator.devices.msix import Msix
from machines.emulator.devices.pci import bar_offset
from machines.emulator.devices.virtio import VirtioPci
from machines.emulator.devices.virtio_spec import MSIX_BAR
from machines.emulator.pci import COMMAND, COMMAND_MASTER, COMMAND_MEMORY, FIRST_BAR
from tests.machines.emulator.devices.bench import Bench, bench

TABLE, PENDING = bar_offset(MSIX_BAR), bar_offset(MSIX_BAR) + 0x800
CONTROL = 0x9B  # the upper byte of the capability's control word
ENABLE, MASK_ALL = 0x80, 0x40
ADDRESS, DATA = 0x2000, 0x1234


def ready(control: int = ENABLE) -> tuple[Bench, VirtioPci, Msix]:
    """A device whose vector 1 has a message and is not masked."""
    own = bench("virtio-rng-pci")
    assert isinstance(own.model, VirtioPci)
    own.model.write(FIRST_BAR + 4 * MSIX_BAR, 0xFEB90000, 4)
    own.model.write(COMMAND, COMMAND_MEMORY | COMMAND_MASTER, 2)
    own.model.write(CONTROL, control, 1)
    for at, word in enumerate((ADDRESS, 0, DATA, 0)):
        own.model.write(TABLE + 16 + 4 * at, word, 4)
    assert own.model.msix is not None
    return own, own.model, own.model.msix


def mailbox(own: Bench) -> int:
    return int.from_bytes(own.platform.ram.read(ADDRESS, 4), "little")


def test_a_message_is_written_to_memory() -> None:
    own, _, msix = ready()
    msix.notify(1)
    assert mailbox(own) == DATA


def test_a_message_to_the_local_apic_is_an_edge_of_its_vector() -> None:
    own, model, msix = ready()
    model.write(TABLE + 16, 0xFEE00000, 4)
    model.write(TABLE + 24, 0x41, 4)
    msix.notify(1)
    assert own.platform.edges == {1024 + 0x41: 1}


def test_a_masked_vector_is_pending_until_it_is_unmasked() -> None:
    own, model, msix = ready()
    model.write(TABLE + 28, 1, 4)
    msix.notify(1)
    assert (mailbox(own), model.read(PENDING, 4)) == (0, 2)
    model.write(TABLE + 28, 0, 4)
    assert (mailbox(own), model.read(PENDING, 4)) == (DATA, 0)


def test_all_can_be_masked_together() -> None:
    own, model, msix = ready(ENABLE | MASK_ALL)
    msix.notify(1)
    assert mailbox(own) == 0
    model.write(CONTROL, ENABLE, 1)
    assert mailbox(own) == DATA


def test_what_is_pending_migrates() -> None:
    own, _, msix = ready(ENABLE | MASK_ALL)
    msix.notify(1)
    there = own.migrated("11.1")
    assert there.model.read(PENDING, 4) == 2
    there.model.write(CONTROL, ENABLE, 1)
    assert mailbox(there) == DATA


def test_every_vector_is_masked_after_reset_and_there_are_no_others() -> None:
    _, model, msix = ready()
    model.reset()
    model.write(FIRST_BAR + 4 * MSIX_BAR, 0xFEB90000, 4)
    model.write(COMMAND, COMMAND_MEMORY | COMMAND_MASTER, 2)
    assert model.read(TABLE + 12, 4) == model.read(TABLE + 28, 4) == 1
    model.write(TABLE + 32, 0xFFFFFFFF, 4)
    assert model.read(TABLE + 32, 4) == 0
    msix.notify(2)
    assert model.read(PENDING, 4) == 0
