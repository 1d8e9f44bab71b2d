"""The 8259A interrupt controllers behind ``isa-i8259``: the master, then the slave on its input 2.

Commands after Intel's data sheet of the 8259A (1988), numbered as there; the edge/level register is
the PC's own (Intel 82371SB, ELCR). What a controller keeps, and so what migrates, after
hw/intc/i8259.c and i8259_common.c: ICW3 and the 8080's call vectors are not modelled, and ICW1's
level mode (``ltim``) arrived with QEMU 10.0: a release whose description has no ``i8259/ltim``
ignores it.

Inputs are the platform's lines 0 to 7 and 8 to 15, which every other device drives; the slave
drives line 2, the master :data:`INTR`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from machines.emulator.devices.model import Model, Unsigned
from machines.emulator.devices.processor import Processor

INPUTS = 8
CASCADE = 2
#: The line into the processor.
INTR = 0x100
SPURIOUS = 7
#: A release that describes this section has ICW1's level mode.
LEVEL_SECTION = "i8259/ltim"

#: Offsets: A0 low and high, the edge/level register (ports 4D0h, 4D1h), and the processor's
#: acknowledge cycle, which answers with the interrupt's vector.
COMMAND, DATA, ELCR, ACKNOWLEDGE = range(4)
ELCR_MASKS = (0xF8, 0xDE)  # timer, keyboard, cascade and clock are always edges

ICW1, ICW1_ICW4, ICW1_SINGLE, ICW1_LEVEL = 0x10, 0x01, 0x02, 0x08
ICW2_BASE = 0xF8
ICW4_AUTO_EOI, ICW4_NESTED = 0x02, 0x10
OCW3, OCW3_POLL, OCW3_READ, OCW3_READ_ISR = 0x08, 0x04, 0x02, 0x01
OCW3_MASK, OCW3_MASK_ON = 0x40, 0x20
#: OCW2's commands: rotate, specific, end of interrupt.
ROTATE, SPECIFIC, EOI = 4, 2, 1

#: Which initialisation word the data register takes next.
READY, WANTS_ICW2, WANTS_ICW3, WANTS_ICW4 = range(4)


class I8259(Model):
    """One controller; ``instance`` 0 is the master, 1 the slave, others are wired to nothing."""

    drivers = ("isa-i8259",)
    fields = {
        "last_irr": Unsigned(),
        "irr": Unsigned(),
        "imr": Unsigned(),
        "isr": Unsigned(),
        "priority_add": Unsigned(),
        "irq_base": Unsigned(),
        "read_reg_select": Unsigned(),
        "poll": Unsigned(),
        "special_mask": Unsigned(),
        "init_state": Unsigned(),
        "auto_eoi": Unsigned(),
        "rotate_on_auto_eoi": Unsigned(),
        "special_fully_nested_mode": Unsigned(),
        "init4": Unsigned(),
        "single_mode": Unsigned(),
        "elcr": Unsigned(),
        "ltim": Unsigned(),
    }

    def connect(self) -> None:
        self.is_master = self.instance == 0
        if self.instance < 2:
            self.platform.listen(self._hear)

    def reset(self) -> None:
        self.irr = self.elcr = self.ltim = 0
        self._initialise()

    def _initialise(self) -> None:
        """What ICW1 does; pending level-triggered requests stay."""
        self.last_irr = self.imr = self.isr = self.priority_add = self.irq_base = 0
        self.irr &= self.elcr
        self.read_reg_select = self.poll = self.special_mask = 0
        self.init_state = self.init4 = self.single_mode = 0
        self.auto_eoi = self.rotate_on_auto_eoi = self.special_fully_nested_mode = 0
        self._update()

    # Registers.

    def read(self, offset: int, size: int) -> int:
        if offset == ELCR:
            return self.elcr
        if offset == ACKNOWLEDGE:
            return self.acknowledge()
        if self.poll:
            self.poll = 0
            return self._answer_poll()
        if offset == DATA:
            return self.imr
        return self.isr if self.read_reg_select else self.irr

    def write(self, offset: int, value: int, size: int) -> None:
        if offset == ELCR:
            self.elcr = value & ELCR_MASKS[not self.is_master]
        elif offset == DATA:
            self._write_data(value)
        elif offset != COMMAND:
            return
        elif value & ICW1:
            self._initialise()
            self.init_state = WANTS_ICW2
            self.init4 = value & ICW1_ICW4
            self.single_mode = value & ICW1_SINGLE
            if LEVEL_SECTION in self.sections:
                self.ltim = value & ICW1_LEVEL
        elif value & OCW3:
            self._write_ocw3(value)
        else:
            self._write_ocw2(value >> 5, value & 7)

    def _write_data(self, value: int) -> None:
        match self.init_state:
            case 0:
                self.imr = value
                self._update()
            case 1:
                self.irq_base = value & ICW2_BASE
                after_icw3 = WANTS_ICW4 if self.init4 else READY
                self.init_state = after_icw3 if self.single_mode else WANTS_ICW3
            case 2:  # the cascade is wired, whatever ICW3 says
                self.init_state = WANTS_ICW4 if self.init4 else READY
            case 3:
                self.special_fully_nested_mode = int(bool(value & ICW4_NESTED))
                self.auto_eoi = int(bool(value & ICW4_AUTO_EOI))
                self.init_state = READY

    def _write_ocw3(self, value: int) -> None:
        if value & OCW3_POLL:
            self.poll = 1
        if value & OCW3_READ:
            self.read_reg_select = value & OCW3_READ_ISR
        if value & OCW3_MASK:
            self.special_mask = int(bool(value & OCW3_MASK_ON))

    def _write_ocw2(self, command: int, level: int) -> None:
        """End of interrupt and rotation: ``command`` is the three bits R, SL, EOI."""
        if not command & (SPECIFIC | EOI):
            self.rotate_on_auto_eoi = int(bool(command & ROTATE))
            return
        if command == SPECIFIC:  # no operation
            return
        if not command & SPECIFIC:
            priority = self._highest(self.isr)
            if priority == INPUTS:
                return
            level = self._input_of(priority)
        if command & EOI:
            self.isr &= ~(1 << level)
        if command & ROTATE:
            self.priority_add = (level + 1) & 7
        self._update()

    # Priorities.

    def _highest(self, requests: int) -> int:
        """The highest priority among inputs, 0 being the highest; 8 where there is none."""
        waiting = (number for number in range(INPUTS) if requests >> self._input_of(number) & 1)
        return next(waiting, INPUTS)

    def _input_of(self, priority: int) -> int:
        return (priority + self.priority_add) & 7

    def _wanted(self) -> int | None:
        """The input that may interrupt now, None where none may."""
        priority = self._highest(self.irr & ~self.imr)
        in_service = self.isr
        if self.special_mask:
            in_service &= ~self.imr
        if self.special_fully_nested_mode and self.is_master:
            in_service &= ~(1 << CASCADE)
        return self._input_of(priority) if priority < self._highest(in_service) else None

    # Lines.

    def _hear(self, line: int, level: bool) -> None:
        number = line - INPUTS * self.instance
        if not 0 <= number < INPUTS:
            return
        bit = 1 << number
        by_level = self.ltim or self.elcr & bit
        if level:
            if by_level or not self.last_irr & bit:
                self.irr |= bit
            self.last_irr |= bit
        else:
            if by_level:
                self.irr &= ~bit
            self.last_irr &= ~bit
        self._update()

    def _output(self) -> int | None:
        return {0: INTR, 1: CASCADE}.get(self.instance)

    def _update(self) -> None:
        """Drive the INT output."""
        output = self._output()
        if output is not None:
            self.platform.set_line(output, self._wanted() is not None)

    # Acknowledging.

    def acknowledge(self) -> int:
        """The processor's acknowledge cycle: the vector of the interrupt, of the slave's too."""
        number = self._wanted()
        if number is None:
            return self.irq_base + SPURIOUS
        slave = self._slave() if number == CASCADE else None
        vector = self.irq_base + number if slave is None else slave.acknowledge()
        self._begin_service(number)
        return vector

    def _slave(self) -> I8259 | None:
        others = (other for other in self.platform.devices if isinstance(other, I8259))
        return next((other for other in others if other.instance == 1), None)

    def _answer_poll(self) -> int:
        number = self._wanted()
        if number is None:
            return 0
        self._begin_service(number)
        return 0x80 | number

    def _begin_service(self, number: int) -> None:
        bit = 1 << number
        if not self.auto_eoi:
            self.isr |= bit
        elif self.rotate_on_auto_eoi:
            self.priority_add = (number + 1) & 7
        if not self.ltim and not self.elcr & bit:
            self.irr &= ~bit
        self._update()

    # Migration.

    def needs(self, section: str) -> bool:
        return section == LEVEL_SECTION and self.ltim != 0

    def post_load(self, arrived: Collection[str]) -> None:
        output = self._output()
        if output is not None:
            self.platform.restore_line(output, self._wanted() is not None)


MODEL = I8259


def exercise(processor: Processor) -> Iterator[None]:
    """Initialise, take an interrupt in service and leave it there, end it afterwards."""
    while True:
        base, mode, mask, rotation = (byte for byte in processor.draw(4))
        processor.write(COMMAND, ICW1 | ICW1_ICW4)
        processor.write(DATA, base)
        processor.write(DATA, 1 << CASCADE)
        processor.write(DATA, 0x01 | mode & (ICW4_NESTED | ICW4_AUTO_EOI))
        processor.write(DATA, mask)
        processor.write(ELCR, processor.draw(1)[0])
        processor.write(COMMAND, rotation & 0x07 | (ROTATE | SPECIFIC) << 5)
        processor.read(ACKNOWLEDGE)
        processor.write(COMMAND, OCW3 | processor.draw(1)[0] & 0x67)
        yield
        processor.line(INTR)
        for offset in (COMMAND, DATA, ELCR, COMMAND):
            processor.read(offset)
        processor.write(COMMAND, ICW1 | ICW1_ICW4)
        processor.write(DATA, base)
        yield
        processor.write(DATA, 1 << CASCADE)
        processor.write(DATA, 0x01)
        processor.write(COMMAND, OCW3 | OCW3_POLL)
        processor.read(COMMAND)
        processor.read(ACKNOWLEDGE)
        processor.write(COMMAND, EOI << 5)
        for offset in (COMMAND, DATA):
            processor.read(offset)
