"""The models and a real QEMU's devices side by side: the same is written to both, and what is read
must be the same."""

from __future__ import annotations

from collections.abc import Collection

from machines.emulator.assembly import build
from machines.emulator.devices.i8259 import ACKNOWLEDGE, ELCR, INTR
from machines.emulator.devices.model import Model
from machines.emulator.loading import load_section
from machines.emulator.notes import Notes
from machines.emulator.side import Side
from tests.machines.emulator.devices.real_qemu import RETURN, TAKEN, RealQemu
from tests.machines.emulator.modelled import catalogue, saved_section

DRIVERS = {
    "master": "isa-i8259",
    "slave": "isa-i8259",
    "timer": "isa-pit",
    "clock": "mc146818rtc",
    "serial": "isa-serial",
}
BASES = {"master": 0x20, "slave": 0xA0, "timer": 0x40, "clock": 0x70, "serial": 0x3F8}
ELCR_PORTS = {"master": 0x4D0, "slave": 0x4D1}
SHOWN = 20
ATTEMPTS = 100


class SideBySide:
    """``hurried`` are devices whose timers the test does not wait for: they expire all the time,
    and what they do is computed from the time alone."""

    def __init__(self, real: RealQemu, hurried: Collection[str] = ()) -> None:
        self._hurried = hurried
        self._log: list[str] = []
        #: The vector of the interrupt that the processor handles.
        self.handled: int | None = None
        self._takes_interrupts = False
        self._stand_on(real)
        real.start_clock()

    def _stand_on(self, real: RealQemu) -> None:
        self.real = real
        side = Side("here", catalogue("7.2"), "pc-q35-7.2")
        self.board = build((side,), tuple(DRIVERS.values()), Notes())[0]
        self.platform = self.board.platform
        self.models: dict[str, Model] = {}
        for name, device in zip(DRIVERS, self.board.devices, strict=True):
            assert device is not None
            assert device.model is not None
            self.models[name] = device.model

    def migrate(self, to: RealQemu) -> None:
        """Go on in another machine that loaded this one's stream, the models as their sections."""
        before, now = self.board.devices, self.platform.now
        self._stand_on(to)
        self.platform.now = now
        to.continue_clock()
        for source, target in zip(before, self.board.devices, strict=True):
            assert source is not None
            assert target is not None
            assert target.model is not None
            target.model.pre_load()
            left = load_section(target, target.section.version_id, saved_section(source), set())
            assert left == 0
        self._log.append("migrated")

    def take_interrupts(self) -> None:
        """From now on the processor takes interrupts while the machine runs."""
        self.real.point_vectors()
        self._takes_interrupts = True

    def write(self, device: str, offset: int, value: int) -> None:
        self._log.append(f"{device}[{offset:#x}] = {value:#04x}")
        self.real.write(self._port(device, offset), value)
        self.models[device].write(offset, value, 1)
        # What is due at once may happen while the machine is paused, or when it runs again.
        if self._is_behind(self.platform.now):
            self.run()

    def read(self, device: str, offset: int, mask: int = 0xFF) -> None:
        """Both answer the same, as far as ``mask`` goes."""
        expected = self.real.read(self._port(device, offset))
        found = self.models[device].read(offset, 1)
        self._log.append(f"{device}[{offset:#x}] is {expected:#04x}, in the model {found:#04x}")
        assert found & mask == expected & mask, "\n".join(self._log[-SHOWN:])

    def run(self, seconds: float = 0) -> None:
        """Let time pass, and end where neither side is ahead of the other.

        An interrupt that the processor handles ends first.
        """
        handling, self.handled = self.handled is not None, None
        if handling:
            self.real.store(TAKEN, 0)
            self.real.store(RETURN, 1)
        started, now = self.platform.now, self.real.run(seconds)
        while handling and self.real.load(RETURN):
            now = self.real.run(seconds)
        for _ in range(ATTEMPTS):
            settled = self.real.settled()
            # What was due at the start expires when the machine first looks at its timers.
            if settled > started:
                self._advance(settled)
                if not self._is_behind(now):
                    break
            now = self.real.run(0.0005)
        else:
            raise AssertionError("timers expire too often to compare")
        self._advance(now)
        self._log.append(f"{now} ns")
        if self.handled is not None:
            taken = self.real.load(TAKEN)
            self._log.append(f"took {taken:#x}, in the model {self.handled:#x}")
            assert taken == self.handled, "\n".join(self._log[-SHOWN:])

    def _is_behind(self, now: int) -> bool:
        """May the real machine have timers or an interrupt that it did not look at yet?"""
        if self.handled is not None and not self.real.load(TAKEN):
            return True
        awaited = (model for name, model in self.models.items() if name not in self._hurried)
        deadlines = (model.deadline() for model in awaited)
        return any(when is not None and when <= now for when in deadlines)

    def _advance(self, until: int) -> None:
        """Let the models' time pass; the processor takes an interrupt as soon as there is one."""
        while True:
            self._interrupt()
            deadlines = (model.deadline() for model in self.models.values())
            step = min((when for when in deadlines if when is not None), default=until)
            self.platform.advance(max(min(step, until) - self.platform.now, 0))
            if step >= until:
                break
        self._interrupt()

    def _interrupt(self) -> None:
        if self._takes_interrupts and self.handled is None and self.platform.lines.get(INTR):
            self.handled = self.models["master"].read(ACKNOWLEDGE, 1)

    @staticmethod
    def _port(device: str, offset: int) -> int:
        if device in ELCR_PORTS and offset == ELCR:
            return ELCR_PORTS[device]
        return BASES[device] + offset
