"""What a policy holds: frozen values, and the canonical form that digests are taken of.

>>> Policy("rhel", "9.2", CatalogueRef("upstream 7.2", "0" * 64)).to_json()["release"]
{'tree': 'rhel', 'version': '9.2'}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from machines.emulator.catalogue import CompatProperty
from machines.emulator.features import FeatureSpec
from machines.emulator.memo import Same

SCHEMA = 1
MAX_ENTRIES = 20_000
#: QEMU has about a hundred of them. Each is resolved through all that it goes on from.
MAX_MACHINE_TYPES = 1_000
MAX_TEXT = 10_000
#: Characters of a name: what the rows of trials and of catalogues hold.
MAX_NAME = 255

Outcome = Literal["correct", "degraded", "corrupt", "refused"]
#: The outcomes that a policy may declare: ``corrupt`` never passes.
DECLARABLE: tuple[str, ...] = ("correct", "degraded", "refused")


@dataclass(frozen=True, slots=True)
class CatalogueRef:
    """The catalogue that a policy stands on: a release's label and its snapshot's digest.

    ``stand_in_for`` names the true base release where this one only serves in its place.
    """

    release: str
    digest: str
    stand_in_for: str = ""


@dataclass(frozen=True, slots=True)
class Graft:
    """A section's description that a backport brings along, in the form of ``-dump-vmstate``.

    ``section`` is its path within the device (``foo``, ``foo/foo.e``).
    """

    section: str
    description: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Backport:
    """An upstream feature taken into this release."""

    feature: FeatureSpec
    introduced: str = ""
    commit: str = ""
    tracker: str = ""
    justification: str = ""
    grafts: tuple[Graft, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineType:
    """A machine type of this release. Its resolved list is its parent's, then its own entries."""

    name: str
    parent: str = ""
    entries: tuple[CompatProperty, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """One bit that the downstream sets against the computed default.

    ``relax`` allows a version that the default blacklists, ``tighten`` forbids a further one.
    ``machine_type`` is empty where it holds for all of them.
    """

    device: str
    section: str
    version: int
    action: Literal["relax", "tighten"]
    justification: str
    machine_type: str = ""


@dataclass(frozen=True, slots=True)
class Mitigation:
    """Extra properties on a destination of this release, for guests started on ``started_on``."""

    started_on: str
    machine_type: str
    entries: tuple[CompatProperty, ...]
    reason: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration that the policy declares, and the outcome that it promises.

    ``source`` and ``destination`` are release labels, one of them this release.
    ``machine_type`` is empty for every machine type that both releases have.
    """

    source: str
    destination: str
    expected: str
    machine_type: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Waiver:
    """Something in the way of publishing that is accepted for a while.

    It is about a trial that ended otherwise than declared, or, where ``finding`` names one, about a
    finding; for one direction of one pair of releases, on ``machine_type`` (empty: on no single
    one). ``bound`` is the digest of what it was given for (both sides as they were): with other
    content on either side it no longer holds. ``expires`` is its last day (ISO, UTC), ``about`` the
    finding in words.
    """

    source: str
    destination: str
    machine_type: str
    finding: str
    bound: str
    reason: str
    expires: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole document. ``devices``: what trials exercise; empty means all that can migrate."""

    tree: str
    version: str
    base: CatalogueRef
    backports: tuple[Backport, ...] = ()
    machine_types: tuple[MachineType, ...] = ()
    overrides: tuple[Override, ...] = ()
    mitigations: tuple[Mitigation, ...] = ()
    migrations: tuple[Migration, ...] = ()
    devices: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.tree} {self.version}"

    def machine_type(self, name: str) -> MachineType | None:
        return _by_name(Same(self)).get(name)

    def lineage(self, name: str) -> list[MachineType]:
        """The machine type's ancestors, the oldest in order of application first, then itself."""
        known = _by_name(Same(self))
        lineage: dict[str, MachineType] = {}
        while name not in lineage and (found := known.get(name)) is not None:
            lineage[name] = found
            name = found.parent
        return list(lineage.values())[::-1]

    def resolved(self, name: str) -> tuple[CompatProperty, ...]:
        """Every compat property of a machine type in order of application, the later wins."""
        return tuple(entry for item in self.lineage(name) for entry in item.entries)

    def with_machine_type(self, changed: MachineType) -> Policy:
        """The policy with one machine type replaced, or added at the end."""
        if self.machine_type(changed.name) is None:
            return replace(self, machine_types=(*self.machine_types, changed))
        return replace(
            self,
            machine_types=tuple(
                changed if item.name == changed.name else item for item in self.machine_types
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """The document as plain JSON data, which :func:`policy.document.from_json` reads back."""
        document = {
            "schema": SCHEMA,
            "release": {"tree": self.tree, "version": self.version},
            "base": asdict(self.base),
            "backports": [plain(asdict(item)) for item in self.backports],
            "machine_types": [plain(asdict(item)) for item in self.machine_types],
            "overrides": [asdict(item) for item in self.overrides],
            "mitigations": [plain(asdict(item)) for item in self.mitigations],
            "migrations": [asdict(item) for item in self.migrations],
            "devices": list(self.devices),
        }
        # Left out where there are none: such a policy keeps the digest that it has always had.
        waivers = [asdict(item) for item in self.waivers]
        return document | {"waivers": waivers} if waivers else document

    @property
    def text(self) -> str:
        """The document's canonical form."""
        return _text_of(Same(self))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical document: what an approval and a revision name."""
        return _digest_of(Same(self))


@lru_cache(maxsize=128)
def _by_name(same: Same[Policy]) -> dict[str, MachineType]:
    # The first of a name counts; a document that is read has each once.
    return {item.name: item for item in reversed(same.object.machine_types)}


# Asked of the same object again and again, and a policy never changes.


@lru_cache(maxsize=32)
def _text_of(same: Same[Policy]) -> str:
    return canonical(same.object.to_json())


@lru_cache(maxsize=128)
def _digest_of(same: Same[Policy]) -> str:
    return digest_of(same.object.text)


def canonical(document: Any) -> str:
    """Canonical JSON (RFC 8785 for data without fractions): the text that digests are taken of."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_object(members: Mapping[str, str]) -> str:
    """The canonical form of an object of which every member is given in its own."""
    listed = (f"{canonical(name)}:{members[name]}" for name in sorted(members))
    return f"{{{','.join(listed)}}}"


def digest(document: Any) -> str:
    """SHA-256 (hex) of a document's canonical form."""
    return digest_of(canonical(document))


def digest_of(text: str) -> str:
    """SHA-256 (hex) of a document that is in its canonical form."""
    return hashlib.sha256(text.encode()).hexdigest()


def plain(value: Any) -> Any:
    """Tuples as lists, as JSON would give them back."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
