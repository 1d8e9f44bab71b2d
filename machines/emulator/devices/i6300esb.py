"""The watchdog of the Intel 6300ESB I/O controller hub, ``i6300esb``.

Registers after the Intel 6300ESB data sheet (document 300641), chapter "Watchdog timer"; what is
less or other than the chip after hw/watchdog/wdt_i6300esb.c: no interrupt is raised when the first
stage ends, the down counter cannot be read, and the reboot flag shows in bit 12 too, where an old
driver looks for it. When the second stage ends, the watchdog resets itself alone, as QEMU does with
``-action watchdog=none``; that it bites is in :attr:`I6300esb.bites`.
"""

from __future__ import annotations

from collections.abc import Iterator

from machines.emulator.devices.model import Signed, Timer, Unsigned
from machines.emulator.devices.pci import Configuration, PciModel, bar_offset
from machines.emulator.devices.processor import Processor
from machines.emulator.pci import COMMAND, COMMAND_MEMORY, FIRST_BAR, Bar

IDS = (0x8086, 0x25AB)
CLASS_SYSTEM_OTHER = 0x088000
WINDOW = Bar(0, 16)
REGISTERS = bar_offset(0)
BASE = 0xFEB80000

# Registers in configuration space, and their bits.
CONFIG_REGISTER, LOCK_REGISTER = 0x60, 0x68
CONFIG_NO_REBOOT, CONFIG_1MHZ, CONFIG_INTERRUPT = 0x20, 0x04, 0x11
LOCK_FREE_RUN, LOCK_ENABLE, LOCK_LOCKED = 0x04, 0x02, 0x01

# Registers in memory, and their bits.
PRELOAD_1, PRELOAD_2, RELOAD = 0x00, 0x04, 0x0C
PRELOAD_MASK = 0xFFFFF
RELOAD_PING, RELOAD_CLEAR_FLAG, RELOAD_FLAG = 0x100, 0x1200, 0x1200
UNLOCK_1, UNLOCK_2 = 0x80, 0x86

NS_PER_SECOND = 10**9
PCI_TICK = 30  # ns: a PCI bus of 33 MHz
SHIFT_1KHZ, SHIFT_1MHZ = 15, 5  # a count is so many halvings of the PCI clock


class I6300esb(PciModel):
    """The watchdog: two stages that count down one after the other until the guest pings it."""

    drivers = ("i6300esb",)
    fields = {
        **PciModel.fields,
        "reboot_enabled": Signed(),
        "clock_scale": Signed(),
        "int_type": Signed(),
        "free_run": Signed(),
        "locked": Signed(),
        "enabled": Signed(),
        "timer": Timer(),
        "timer1_preload": Unsigned(),
        "timer2_preload": Unsigned(),
        "stage": Signed(),
        "unlock_state": Signed(),
        "previous_reboot_flag": Signed(),
    }

    def configuration(self) -> Configuration:
        built = Configuration(IDS, CLASS_SYSTEM_OTHER)
        built.add_bar(WINDOW)
        return built

    def connect(self) -> None:
        super().connect()
        #: Outlives every reset but power-on.
        self.previous_reboot_flag = 0
        #: How often it would have reset the machine.
        self.bites = 0

    def reset(self) -> None:
        super().reset()
        self._reset_watchdog()

    def _reset_watchdog(self) -> None:
        self.timer: int | None = None
        self.reboot_enabled = 1
        self.clock_scale = self.int_type = self.free_run = self.locked = self.enabled = 0
        self.timer1_preload = self.timer2_preload = PRELOAD_MASK
        self.stage = 1
        self.unlock_state = 0

    # Configuration space.

    def read_config(self, at: int, size: int) -> int:
        if (at, size) == (CONFIG_REGISTER, 2):
            reboot = 0 if self.reboot_enabled else CONFIG_NO_REBOOT
            return reboot | (CONFIG_1MHZ if self.clock_scale else 0) | self.int_type & 0xFFFF
        if (at, size) == (LOCK_REGISTER, 1):
            return (
                (LOCK_FREE_RUN if self.free_run else 0)
                | (LOCK_ENABLE if self.enabled else 0)
                | (LOCK_LOCKED if self.locked else 0)
            )
        return super().read_config(at, size)

    def write_config(self, at: int, value: int, size: int) -> None:
        if (at, size) == (CONFIG_REGISTER, 2):
            self.reboot_enabled = int(not value & CONFIG_NO_REBOOT)
            self.clock_scale = int(bool(value & CONFIG_1MHZ))
            self.int_type = value & CONFIG_INTERRUPT
        elif (at, size) == (LOCK_REGISTER, 1):
            self._write_lock(value)
        else:
            super().write_config(at, value, size)

    def _write_lock(self, value: int) -> None:
        if self.locked:
            return
        was_enabled = self.enabled
        self.locked = int(bool(value & LOCK_LOCKED))
        self.free_run = int(bool(value & LOCK_FREE_RUN))
        self.enabled = int(bool(value & LOCK_ENABLE))
        if not self.enabled:
            self.timer = None
        elif not was_enabled:
            self._start(1)

    # Registers in memory.

    def read_bar(self, number: int, at: int, size: int) -> int:
        return RELOAD_FLAG if (at, size) == (RELOAD, 2) and self.previous_reboot_flag else 0

    def write_bar(self, number: int, at: int, value: int, size: int) -> None:
        if at == RELOAD and value == UNLOCK_1:
            self.unlock_state = 1
        elif at == RELOAD and value == UNLOCK_2 and self.unlock_state == 1:
            self.unlock_state = 2
        elif size > 1 and self.unlock_state == 2:
            self._write_unlocked(at, value, size)
            self.unlock_state = 0

    def _write_unlocked(self, at: int, value: int, size: int) -> None:
        if (at, size) == (RELOAD, 2):
            if value & RELOAD_PING:
                self._start(1)
            if value & RELOAD_CLEAR_FLAG:
                self.previous_reboot_flag = 0
        elif (at, size) == (PRELOAD_1, 4):
            self.timer1_preload = value & PRELOAD_MASK
        elif (at, size) == (PRELOAD_2, 4):
            self.timer2_preload = value & PRELOAD_MASK

    # Time.

    def _start(self, stage: int) -> None:
        """Count a stage down, if the watchdog is enabled."""
        if not self.enabled:
            return
        self.stage = stage
        counts = self.timer1_preload if stage <= 1 else self.timer2_preload
        ticks = counts << (SHIFT_1MHZ if self.clock_scale else SHIFT_1KHZ)
        self.timer = self.platform.now + ticks * PCI_TICK

    def deadline(self) -> int | None:
        return self.timer

    def expire(self) -> None:
        self.timer = None
        if self.stage == 1:
            self._start(2)
            return
        if self.reboot_enabled:
            self.previous_reboot_flag = 1
            self.bites += 1
            self._reset_watchdog()
        if self.free_run:
            self._start(1)


MODEL = I6300esb


def exercise(processor: Processor) -> Iterator[None]:
    """Arm the watchdog, ping it for a while, then let it bite, and see that it did."""
    while True:
        processor.write(FIRST_BAR, BASE, 4)
        processor.write(COMMAND, COMMAND_MEMORY, 2)
        first, second, choice = processor.draw(3)
        _set(processor, PRELOAD_1, 1 + first, 4)
        _set(processor, PRELOAD_2, 1 + second, 4)
        config = choice & (CONFIG_NO_REBOOT | CONFIG_INTERRUPT)
        processor.write(CONFIG_REGISTER, config, 2)
        processor.write(LOCK_REGISTER, LOCK_ENABLE | choice & LOCK_FREE_RUN)
        processor.wait(first * 10**5)  # not the whole of the first stage
        processor.write(REGISTERS + RELOAD, UNLOCK_1, 2)
        yield
        processor.write(REGISTERS + RELOAD, UNLOCK_2, 2)
        processor.write(REGISTERS + RELOAD, RELOAD_PING, 2)
        processor.wait((first + second // 2) * 10**6)  # into the second stage
        yield
        processor.wait(NS_PER_SECOND)
        for register, size in ((CONFIG_REGISTER, 2), (LOCK_REGISTER, 1), (FIRST_BAR, 4)):
            processor.read(register, size)
        processor.read(REGISTERS + RELOAD, 2)
        _set(processor, RELOAD, RELOAD_CLEAR_FLAG, 2)
        processor.write(LOCK_REGISTER, 0)


def _set(processor: Processor, register: int, value: int, size: int) -> None:
    """Unlock a register and write it."""
    processor.write(REGISTERS + RELOAD, UNLOCK_1, 2)
    processor.write(REGISTERS + RELOAD, UNLOCK_2, 2)
    processor.write(REGISTERS + register, value, size)
