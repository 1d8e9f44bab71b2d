"""What can go wrong, and the exit status of each.

CommandFailed
    InputFailed     status 2: what was given cannot be used, or the server refused it as such
    ServerFailed    status 3: no answer, a fault of the server, or no right to ask
"""

from __future__ import annotations

DONE, NEGATIVE, INPUT, SERVER = 0, 1, 2, 3


class CommandFailed(Exception):
    """A message for the person at the terminal; ``problem`` is the server's own, if any."""

    status = INPUT

    def __init__(self, message: str, problem: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.problem = problem


class InputFailed(CommandFailed):
    """What was given cannot be used."""


class ServerFailed(CommandFailed):
    """The server cannot be reached, failed, or does not let this token do it."""

    status = SERVER
