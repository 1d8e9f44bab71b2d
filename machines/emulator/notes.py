"""What is said of a migration beside its verdict: refusals, what was forced, what was assumed."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Of the drivers that share an assumption so many are named.
MAX_NAMED = 6


@dataclass(frozen=True, slots=True)
class Problem:
    """One section's refusal. ``side`` is the label of the side that refuses."""

    kind: str
    reason: str
    section: str
    field: str
    device: str
    side: str


@dataclass(slots=True)
class Notes:
    """What is to be said beside the verdict, each thing once and in order."""

    forced: dict[str, None] = field(default_factory=dict)
    _assumed: dict[str, None] = field(default_factory=dict)
    _alike: dict[str, dict[str, None]] = field(default_factory=dict)

    def assume(self, text: str) -> None:
        """Note an assumption that the verdict rests on."""
        self._assumed[text] = None

    def assume_of(self, driver: str, text: str) -> None:
        """Note one that holds for several drivers alike: they are named together."""
        self._alike.setdefault(text, {})[driver] = None

    def assumptions(self) -> tuple[str, ...]:
        """All of them as texts."""
        grouped = []
        for text, drivers in self._alike.items():
            names = list(drivers)
            more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
            grouped.append(f"{text}: {', '.join(names[:MAX_NAMED])}{more}")
        return (*self._assumed, *grouped)
