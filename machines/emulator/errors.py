"""What is at fault: the emulator's errors have one root, drawn in :mod:`machines.emulator`."""

from __future__ import annotations


class EmulatorError(ValueError):
    """Something that was given to the emulator is at fault; the message is for who gave it."""


class StreamError(EmulatorError):
    """The stream is at fault: ``offset`` in bytes, ``section`` its id string or ``""``."""

    def __init__(self, offset: int, section: str, problem: str) -> None:
        where = f"offset {offset}" + (f", section {section!r}" if section else "")
        super().__init__(f"{where}: {problem}")
        self.offset = offset
        self.section = section
        self.problem = problem
