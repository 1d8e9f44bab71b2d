"""The watchdog as its guest sees it."""

from machines.emulator.devices.i6300esb import (
    CONFIG_1MHZ,
    CONFIG_NO_REBOOT,
    CONFIG_REGISTER,
    LOCK_ENABLE,
    LOCK_FREE_RUN,
    LOCK_LOCKED,
    LOCK_REGISTER,
    PCI_TICK,
    PRELOAD_1,
    PRELOAD_2,
    REGISTERS,
    RELOAD,
    RELOAD_CLEAR_FLAG,
    RELOAD_FLAG,
    RELOAD_PING,
    UNLOCK_1,
    UNLOCK_2,
    I6300esb,
)
from machines.emulator.pci import COMMAND, COMMAND_MEMORY, FIRST_BAR
from tests.machines.emulator.devices.bench import Bench, bench

COUNT = PCI_TICK << 15  # ns at 1 kHz


class Watchdog:
    def __init__(self, own: Bench | None = None) -> None:
        self.bench = own or bench("i6300esb")
        assert isinstance(self.bench.model, I6300esb)
        self.model = self.bench.model
        if own is None:
            self.model.write(FIRST_BAR, 0xFEB00000, 4)
            self.model.write(COMMAND, COMMAND_MEMORY, 2)

    def unlock(self) -> None:
        self.model.write(REGISTERS + RELOAD, UNLOCK_1, 1)
        self.model.write(REGISTERS + RELOAD, UNLOCK_2, 1)

    def set(self, register: int, value: int, size: int = 4) -> None:
        self.unlock()
        self.model.write(REGISTERS + register, value, size)

    def arm(self, first: int, second: int, config: int = 0, lock: int = LOCK_ENABLE) -> None:
        self.set(PRELOAD_1, first)
        self.set(PRELOAD_2, second)
        self.model.write(CONFIG_REGISTER, config, 2)
        self.model.write(LOCK_REGISTER, lock, 1)

    def flag(self) -> bool:
        return self.model.read(REGISTERS + RELOAD, 2) == RELOAD_FLAG

    def wait(self, duration: int) -> None:
        self.bench.platform.advance(duration)

    def migrated(self) -> "Watchdog":
        return Watchdog(self.bench.migrated("11.1"))


def test_a_preload_needs_both_words_of_the_key_each_time() -> None:
    own = Watchdog()
    own.model.write(REGISTERS + PRELOAD_1, 5, 4)
    own.model.write(REGISTERS + RELOAD, UNLOCK_2, 1)
    own.model.write(REGISTERS + PRELOAD_1, 6, 4)
    assert own.model.timer1_preload == 0xFFFFF
    own.set(PRELOAD_1, 0xFFF00007)
    own.model.write(REGISTERS + PRELOAD_1, 8, 4)
    assert own.model.timer1_preload == 7 | 0xFFF00007 & 0xFFFFF


def test_it_bites_after_both_stages_and_tells_so_until_the_flag_is_cleared() -> None:
    own = Watchdog()
    own.arm(3, 2)
    own.wait(5 * COUNT - 1)
    assert own.model.bites == 0
    own.wait(1)
    assert own.model.bites == 1
    assert own.flag()
    assert own.model.read(LOCK_REGISTER, 1) == 0
    assert own.migrated().flag()
    own.set(RELOAD, RELOAD_CLEAR_FLAG, 2)
    assert not own.flag()


def test_a_ping_begins_the_first_stage_anew() -> None:
    own = Watchdog()
    own.arm(3, 2)
    own.wait(4 * COUNT)
    own.set(RELOAD, RELOAD_PING, 2)
    own.wait(5 * COUNT - 1)
    assert own.model.bites == 0
    own.wait(1)
    assert own.model.bites == 1


def test_the_faster_clock_and_no_reboot() -> None:
    own = Watchdog()
    own.arm(3, 2, CONFIG_1MHZ | CONFIG_NO_REBOOT)
    own.wait(COUNT)
    assert own.model.bites == 0
    assert own.model.timer is None
    assert own.model.read(CONFIG_REGISTER, 2) == CONFIG_1MHZ | CONFIG_NO_REBOOT


def test_free_running_begins_again_and_again() -> None:
    own = Watchdog()
    own.arm(1, 1, CONFIG_NO_REBOOT, LOCK_ENABLE | LOCK_FREE_RUN)
    own.wait(7 * COUNT)
    assert (own.model.stage, own.model.timer) == (2, 8 * COUNT)


def test_what_is_locked_stays_locked_but_through_a_reset() -> None:
    own = Watchdog()
    own.arm(3, 2, lock=LOCK_ENABLE | LOCK_LOCKED)
    there = own.migrated()
    there.model.write(LOCK_REGISTER, 0, 1)
    assert there.model.read(LOCK_REGISTER, 1) == LOCK_ENABLE | LOCK_LOCKED
    there.model.reset()
    there.model.write(LOCK_REGISTER, 0, 1)
    assert there.model.read(LOCK_REGISTER, 1) == 0


def test_a_migration_in_the_second_stage_and_half_way_through_the_key() -> None:
    own = Watchdog()
    own.arm(3, 2)
    own.wait(4 * COUNT)
    own.model.write(REGISTERS + RELOAD, UNLOCK_1, 1)
    there = own.migrated()
    there.model.write(REGISTERS + RELOAD, UNLOCK_2, 1)
    there.model.write(REGISTERS + PRELOAD_2, 9, 4)
    assert there.model.timer2_preload == 9
    there.wait(COUNT)
    assert there.model.bites == 1
