"""What a rule has to say: a finding, where it is, and the change that would settle it. Pure.

A finding has two names. Its *identity* says which matter it is, and stays while the matter does:
links and discussions go by it. Its *digest* says what was found as well: a waiver that is bound to
it holds exactly as long as nothing that the finding rests on differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from machines.emulator.catalogue import CompatProperty
from policy.document import digest

Severity = Literal["error", "warning", "note"]
#: The order in which a page lists them.
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

Code = Literal[
    "layout-differs",
    "linear-bump",
    "missing-entry",
    "other-value",
    "other-default",
    "breaks-shipped",
    "shipped-without",
    "unset-new-property",
    "abi-changed",
    "sibling-left-out",
    "newest-incomplete",
    "unknown-driver",
    "unknown-property",
    "wrong-type",
    "shadowed-entry",
    "expired-mitigation",
    "unused-relaxation",
]

Action = Literal[
    "add-entries",
    "remove-entry",
    "own-section",
    "add-mitigation",
    "remove-mitigation",
    "remove-override",
    "declare-refused",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is; what does not apply is empty."""

    machine_type: str = ""
    device: str = ""
    property: str = ""
    section: str = ""
    version: int | None = None

    def __str__(self) -> str:
        named = f"{self.device}.{self.property}" if self.property else self.device
        section = self.section + ("" if self.version is None else f" version {self.version}")
        return ", ".join(part for part in (named, section, self.machine_type) if part)


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """One direction: guests of ``source`` migrate to ``destination`` (labels of releases)."""

    source: str
    destination: str

    def __str__(self) -> str:
        return f"{self.source} → {self.destination}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that would settle the matter: :func:`policy.findings.settling.applied` makes it.

    ``text`` says it to a person. Entries and mitigations go to all of ``machine_types``, those that
    inherit from another of them left out. ``positions``, from 0, are those of the entries, the
    mitigations or the override in their list. ``pair`` is the migration concerned: guests were
    started on its source.
    """

    action: Action
    text: str
    machine_types: tuple[str, ...] = ()
    entries: tuple[CompatProperty, ...] = ()
    pair: Pair | None = None
    positions: tuple[int, ...] = ()
    device: str = ""
    section: str = ""


@dataclass(frozen=True)  # without slots: a page asks each for its digests, which it then keeps
class Finding:
    """``partner`` is the label of the release that it compares with, empty where none.

    ``pairs`` are the declared migrations that it concerns, ``machine_types`` and ``devices`` all
    that it is about (the place names the newest machine type); ``facts`` is what it rests on.
    """

    code: Code
    severity: Severity
    place: Place
    text: str
    proposals: tuple[Proposal, ...] = ()
    partner: str = ""
    pairs: tuple[Pair, ...] = ()
    machine_types: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()

    @cached_property
    def identity(self) -> str:
        """16 hexadecimal digits that name the matter, whatever is found about it later."""
        place = self.place
        named = [place.machine_type, place.device, place.property, place.section, place.version]
        return digest([self.code, self.partner, named])[:16]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the matter and of what was found: what a waiver is bound to."""
        pairs = [[pair.source, pair.destination] for pair in self.pairs]
        return digest([self.identity, pairs, list(self.machine_types), list(self.facts)])

    def to_json(self) -> dict[str, Any]:
        """For programs: the REST API and the command line give exactly this."""
        place = self.place
        return {
            "id": self.identity,
            "digest": self.digest,
            "code": self.code,
            "severity": self.severity,
            "place": {
                "machine_type": place.machine_type,
                "device": place.device,
                "property": place.property,
                "section": place.section,
                "version": place.version,
            },
            "text": self.text,
            "partner": self.partner,
            "pairs": [{"source": p.source, "destination": p.destination} for p in self.pairs],
            "machine_types": list(self.machine_types),
            "devices": list(self.devices),
            "proposals": [_proposal_json(item) for item in self.proposals],
        }


def _proposal_json(item: Proposal) -> dict[str, Any]:
    pair = item.pair
    return {
        "action": item.action,
        "text": item.text,
        "machine_types": list(item.machine_types),
        "entries": [[entry.driver, entry.property, entry.value] for entry in item.entries],
        "pair": {"source": pair.source, "destination": pair.destination} if pair else None,
        "positions": list(item.positions),
        "device": item.device,
        "section": item.section,
    }


def listed(names: tuple[str, ...], most: int = 3) -> str:
    """Names for a sentence: the first few, and how many more there are.

    >>> listed(("a", "b", "c", "d", "e"))
    'a, b, c and 2 more'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
