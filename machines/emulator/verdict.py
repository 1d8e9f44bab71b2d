"""The answer of a trial on a real stream: accepted, or refused, where and in which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from machines.emulator import pci

Kind = Literal[
    "unknown-section",
    "version-too-new",
    "version-too-old",
    "layout",
    "ramblock",
    "pci-config",
    "virtio",
    "equal",
    "machine-type",
    "unmigratable",
    "blacklisted",
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``section`` is the id string as in the stream; ``reason`` is in QEMU's words.

    ``assumptions`` are what nobody could look at, and was taken to be alike.
    """

    outcome: Literal["accepted", "refused"]
    section: str | None = None
    field: str | None = None
    kind: Kind | None = None
    reason: str | None = None
    suggestion: str | None = None
    assumptions: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "section": self.section,
            "field": self.field,
            "kind": self.kind,
            "reason": self.reason,
            "suggestion": self.suggestion,
            "assumptions": list(self.assumptions),
        }


ACCEPTED = Verdict("accepted")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a destination refuses, with what a suggestion can be found from.

    ``description`` is the name of the section's description; of a ``pci-config`` refusal,
    ``detail`` is the place and ``own`` and ``incoming`` the whole configuration spaces. ``resized``
    tells a RAM block of another size from an unknown one; ``moved`` that the elements of an array
    stand elsewhere in a longer or shorter one.
    """

    section: str
    field: str | None
    kind: Kind
    reason: str
    description: str = ""
    detail: pci.Difference | None = None
    own: bytes = b""
    incoming: bytes = b""
    resized: bool = False
    moved: bool = False
