"""A real QEMU whose devices a test drives register by register (docs/devel/testing/qtest).

The machine is paused while a test talks to it, so its virtual time stands still but for
:meth:`RealQemu.run`. Its processor counts instructions (``-icount``) in an endless loop: that makes
time a multiple of 16 ns or more, which the HPET's counter of 10 ns tells exactly.
"""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BINARY = "qemu-system-x86_64"
MACHINE = "pc-q35-7.2"
SECONDS = 120
INSTRUCTION_SHIFT = 4  # an instruction takes 16 ns
#: Where the processor's program begins, and where its handlers: 16 bytes for each interrupt.
PROGRAM, WAIT, HANDLERS = 0xD000, 0xD800, 0xE000
#: Guest memory: the vector of the interrupt that was taken, and whether it may return.
TAKEN, RETURN = 0x500, 0x501
HPET_CONFIGURATION, HPET_COUNTER = 0xFED00010, 0xFED000F0
HPET_TIMER, HPET_COMPARATOR = 0xFED00100, 0xFED00108
HPET_TICK = 10  # ns
#: A timer of the HPET: periodic, enabled, comparator set by the next write, interrupt 20, where
#: nobody listens.
PERIODIC_TIMER = 0x4 | 0x8 | 0x40 | 20 << 9
MARK_INSTRUCTIONS, MARKS = 2500, 5


def firmware(*, takes_interrupts: bool) -> bytes:
    """A ROM for the last 64 KiB: its processor does nothing, or only takes interrupts.

    A handler notes its vector and returns when the test says so.
    """
    rom = bytearray(0x10000)
    rom[0xFFF0:0xFFF5] = b"\xea" + struct.pack("<HH", PROGRAM, 0xF000)  # jmp far
    enable = b"\xfb" if takes_interrupts else b"\xfa"  # sti, cli
    # xor ax, ax; mov ds, ax; mov ss, ax; mov sp, 0x7000; again: sti; jmp again
    program = b"\x31\xc0\x8e\xd8\x8e\xd0\xbc\x00\x70" + enable + b"\xeb\xfd"
    rom[PROGRAM : PROGRAM + len(program)] = program
    # wait: cmp byte [RETURN], 0; je wait; mov byte [RETURN], 0; iret
    waits = struct.pack("<HHBHHHBB", 0x3E80, RETURN, 0, 0xF974, 0x06C6, RETURN, 0, 0xCF)
    for vector in range(256):
        at = HANDLERS + 16 * vector
        rom[at : at + 5] = struct.pack("<HHB", 0x06C6, TAKEN, vector)  # mov byte [TAKEN], vector
        rom[at + 5 : at + 8] = b"\xe9" + struct.pack("<H", (WAIT - at - 8) & 0xFFFF)  # jmp wait
    rom[WAIT : WAIT + len(waits)] = waits
    return bytes(rom)


IDLE = firmware(takes_interrupts=False)
INTERRUPTIBLE = firmware(takes_interrupts=True)


class RealQemu:
    """``incoming`` is a stream that the machine loads before it runs.

    ``refusal`` holds what QEMU printed where it did not load it.
    """

    def __init__(
        self,
        *arguments: str,
        incoming: bytes | None = None,
        shift: int = INSTRUCTION_SHIFT,
        rom: bytes = IDLE,
    ) -> None:
        assert shutil.which(BINARY), "install Debian's package qemu-system-x86"
        self.directory = tempfile.TemporaryDirectory()
        ours, theirs = socket.socketpair()
        monitor = f"socket,id=monitor,fd={theirs.fileno()}"
        image = Path(self.directory.name) / "firmware"
        image.write_bytes(rom)
        self.instruction = 1 << shift
        argv = [BINARY, "-M", MACHINE, "-m", "16", "-nodefaults", "-display", "none", "-S"]
        argv += ["-accel", "tcg", "-icount", f"shift={shift},sleep=off"]
        argv += ["-bios", str(image), "-qtest", "stdio", "-qtest-log", "none"]
        argv += ["-rtc", "base=2000-01-01T00:00:00,clock=vm"]
        argv += ["-chardev", monitor, "-mon", "chardev=monitor,mode=control", *arguments]
        if incoming is not None:
            source = Path(self.directory.name) / "incoming"
            source.write_bytes(incoming)
            argv += ["-incoming", f"exec:cat {source}"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=[theirs.fileno()], text=True
        )
        theirs.close()
        ours.settimeout(SECONDS)
        self.monitor = ours
        self._answers = ours.makefile("r")
        self.refusal = self._start(incoming is not None)
        assert incoming is not None or not self.refusal, self.refusal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()
        self._answers.close()
        self.monitor.close()
        self.directory.cleanup()

    # Ports and time.

    def read(self, port: int) -> int:
        return int(self._test(f"inb 0x{port:x}"), 16)

    def write(self, port: int, value: int) -> None:
        self._test(f"outb 0x{port:x} 0x{value:x}")

    def load(self, address: int) -> int:
        """A byte of guest memory."""
        return int(self._test(f"readb 0x{address:x}"), 16)

    def store(self, address: int, value: int) -> None:
        self._test(f"writeb 0x{address:x} 0x{value:x}")

    def point_vectors(self) -> None:
        """Let every interrupt lead to its handler in the firmware."""
        for vector in range(256):
            handler = 0xF000 << 16 | HANDLERS + 16 * vector
            self._test(f"writel 0x{4 * vector:x} 0x{handler:x}")

    def run(self, seconds: float = 0) -> int:
        """Let the machine run for about that long: its virtual time afterwards, in ns."""
        self.execute("cont")
        time.sleep(seconds)
        self.execute("stop")
        return self.now()

    def now(self) -> int:
        """Virtual time, in ns, since :meth:`start_clock`."""
        low = self._counter(HPET_COUNTER) * HPET_TICK
        now = -(-low // self.instruction) * self.instruction
        assert now < low + HPET_TICK, "time is not a whole number of instructions"
        return now

    def settled(self) -> int:
        """Up to which time every timer has surely expired; those from then on may not yet have.

        Stopping lets the processor run on a little without its timers. One of them marks how far
        they came: it sets the comparator of a timer that expires all the time. It may run a
        little ahead of the others, so some of its periods are left out.
        """
        return (self._counter(HPET_COMPARATOR) - MARKS * self._mark) * HPET_TICK

    def _counter(self, address: int) -> int:
        low, high = (int(self._test(f"readl 0x{address + at:x}"), 16) for at in (0, 4))
        return high << 32 | low

    def start_clock(self) -> None:
        """Let the HPET count; before the machine runs for the first time."""
        self.continue_clock()
        for address, value in ((HPET_COMPARATOR + 4, 0), (HPET_COMPARATOR, self._mark)):
            self._test(f"writel 0x{HPET_TIMER:x} 0x{PERIODIC_TIMER:x}")
            self._test(f"writel 0x{address:x} 0x{value:x}")
        self._test(f"writel 0x{HPET_CONFIGURATION:x} 1")

    def _test(self, command: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        while not (line := self.process.stdout.readline()).startswith("OK"):
            assert line.startswith("IRQ"), f"{command}: {line}"
        return line.partition(" ")[2].strip()

    # The monitor.

    def execute(self, command: str, **arguments: Any) -> Any:
        """What a QMP command returns."""
        request = json.dumps({"execute": command, "arguments": arguments})
        self.monitor.sendall(request.encode() + b"\n")
        while True:
            answer = json.loads(self._answers.readline())
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]

    def human(self, command: str) -> str:
        """What a command of the human monitor prints."""
        return str(self.execute("human-monitor-command", **{"command-line": command}))

    def save(self) -> bytes:
        """The stream that the machine saves; it stands still afterwards."""
        target = Path(self.directory.name) / "saved"
        self.execute("migrate", uri=f"exec:cat > {target}")
        self._until("migrate", ("completed",))
        return target.read_bytes()

    def _start(self, loads: bool) -> str:
        try:
            json.loads(self._answers.readline())
            self.execute("qmp_capabilities")
            if loads:
                self._until("status", ("paused", "prelaunch"))
        except (json.JSONDecodeError, OSError):  # it went away
            return self.process.communicate(timeout=SECONDS)[1]
        return ""

    def continue_clock(self) -> None:
        """The HPET counts already: the machine came with a stream."""
        self._mark = MARK_INSTRUCTIONS * self.instruction // HPET_TICK

    def _until(self, what: str, wanted: tuple[str, ...]) -> None:
        """Wait for a status."""
        deadline = time.monotonic() + SECONDS
        while self.execute(f"query-{what}").get("status") not in wanted:
            assert time.monotonic() < deadline, f"waited in vain for {wanted}"
            time.sleep(0.005)
