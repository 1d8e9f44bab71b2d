"""Stories in plain sentences, and how a sentence becomes a deed.

A story is a Markdown file. Each line that begins with ``- Given``, ``- When``, ``- Then`` or
``- And`` is a step; everything else is for its readers. What varies stands in backticks:

    - When the maintainer removes the entry `e1000e.migrate-timadj` from `pc-q35-rhel9.2.0`

A step is a function whose sentence has ``{}`` in these places. A sentence that no step, or more
than one, understands is an error that names file and line: no promise of a story goes untested.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STEP = re.compile(r"^- (?:Given|When|Then|And) (.+)$")
_CONTINUED = re.compile(r"^  (\S.*)$")

_steps: list[tuple[re.Pattern[str], Callable[..., None]]] = []


def step(sentence: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make the function the meaning of a sentence; it gets the world and what is in backticks."""
    pattern = re.escape(sentence).replace(r"\{\}", "`([^`]+)`")

    def register(function: Callable[..., None]) -> Callable[..., None]:
        _steps.append((re.compile(f"^{pattern}$"), function))
        return function

    return register


@dataclass(frozen=True, slots=True)
class Sentence:
    """A step of a story, and the line where it begins."""

    line: int
    text: str


def sentences(path: Path) -> list[Sentence]:
    """The steps of a story; a step may go on in indented lines."""
    found: list[Sentence] = []
    goes_on = False
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if match := _STEP.match(line):
            found.append(Sentence(number, match[1]))
            goes_on = True
        elif goes_on and (match := _CONTINUED.match(line)):
            found[-1] = Sentence(found[-1].line, f"{found[-1].text} {match[1]}")
        else:
            goes_on = False
    return found


def tell(path: Path, world: Any) -> None:
    """Do what the story says, in its order."""
    told = sentences(path)
    assert told, f"{path.name} has no steps"
    for sentence in told:
        place = f"{path.name}, line {sentence.line}"
        meant = [(f, m) for p, f in _steps if (m := p.match(sentence.text))]
        assert len(meant) == 1, f"{place}: {len(meant)} steps understand “{sentence.text}”"
        function, match = meant[0]
        try:
            function(world, *match.groups())
        except Exception as error:
            error.add_note(f"{place}: {sentence.text}")
            raise
