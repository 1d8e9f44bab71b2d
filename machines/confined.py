"""A child process that reads what nobody vouches for, with limits on memory, time and output.

A module that is run so (``python -m MODULE ARGUMENT``, see :func:`run`) calls :func:`limit_self`
before it reads anything, writes its answer to standard output, and ends with :data:`STATUS_INPUT`
where what it read is at fault. Neither side imports Django.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

#: The child's exit status where its input is at fault; what is wrong is its answer.
STATUS_INPUT = 2

_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use: address space and output in bytes, time in seconds."""

    memory: int = 1536 * 1024 * 1024
    output: int = 32 * 1024 * 1024
    cpu_seconds: int = 60
    wall_seconds: float = 180


def run(module: str, argument: Path, limits: Limits, output: IO[bytes], errors: IO[bytes]) -> int:
    """The exit status of ``python -m module argument`` within the limits; negative for a signal.

    ``output`` and ``errors`` are files that take what the child prints. Raises
    :class:`subprocess.TimeoutExpired`.
    """
    command = [sys.executable, "-E", "-s", "-m", module, str(argument)]
    command += map(str, (limits.memory, limits.output, limits.cpu_seconds))
    return subprocess.run(
        command,
        cwd=_ROOT,
        env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        timeout=limits.wall_seconds,
        check=False,
    ).returncode


def limit_self(arguments: Sequence[str]) -> Path:
    """In the child: limit this process as ``arguments`` say, those of the command line.

    The path that it was started with.
    """
    path, *numbers = arguments
    memory, output, cpu_seconds = map(int, numbers)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (output, output))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return Path(path)
