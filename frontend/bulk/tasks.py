"""What is asked for with many rows, the answer of a dry run, and what an action is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import User

from frontend.lists.kinds import Kind, Words
from frontend.scope import Scope


@dataclass(frozen=True, slots=True)
class Task:
    """Who asks, for which rows of which list; ``scope`` is the release that they belong to.

    ``data`` is what was typed about all of them; ``seen`` the version of the draft that was tried.
    """

    user: User
    kind: Kind
    rows: Sequence[Any]
    scope: Scope | None
    data: dict[str, Any]
    seen: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one row: ``words`` say what, ``problem`` why not; ``key`` names the row.

    One row may have several outcomes, such as a device for each of its sections.
    """

    key: str
    called: str
    words: str
    problem: str = ""
    changes: bool = True


@dataclass(frozen=True, slots=True)
class DryRun:
    """Every row's outcome, in the list's order. Nothing was written.

    ``version`` is that of the draft that was tried, None where it was none.
    """

    outcomes: tuple[Outcome, ...]
    version: int | None = None

    @property
    def faulty(self) -> frozenset[str]:
        """The rows that cannot be done."""
        return frozenset(item.key for item in self.outcomes if item.problem)

    @property
    def good(self) -> int:
        """How many rows can be done and make a difference."""
        return len({item.key for item in self.outcomes if item.changes} - self.faulty)

    @property
    def idle(self) -> int:
        """How many rows are already as they would be."""
        return len({item.key for item in self.outcomes} - self.faulty) - self.good


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in words, and where one goes on: empty, back to the list."""

    words: str
    address: str = ""


class BulkAction(ABC):
    """An action. ``verb`` stands on its button; ``intro`` says what it means for the rows."""

    title: Words
    verb: Words
    intro: Words = ""

    @abstractmethod
    def form(self, task: Task, sent: Any) -> forms.Form:
        """What is typed about all rows; ``sent`` is the data of a POST, or None at first."""

    @abstractmethod
    def try_out(self, task: Task) -> DryRun:
        """Tell what would become of every row; writes nothing. Raises PolicyError."""

    @abstractmethod
    def do(self, task: Task) -> Done:
        """Do it with all rows, or with none of them. Raises PolicyError."""
