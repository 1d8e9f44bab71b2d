"""A policy as plain data: everything a downstream decides for one release.

The document is the truth. A change request holds one as its draft, a revision holds one for
ever, and both are compared, hashed and exported in this form. Its canonical form is JSON with
sorted keys and no spaces (RFC 8785; numbers here are whole), its digest the SHA-256 of that.

    >>> Policy("rhel", "9.2", CatalogueRef("upstream 7.2", "0" * 64)).to_json()["release"]
    {'tree': 'rhel', 'version': '9.2'}
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any, Literal, TypeVar

from machines.emulator.catalogue import CatalogueError, CompatProperty
from machines.emulator.catalogue.descriptions import parse_description
from machines.emulator.features import Carrier, FeatureSpec, Gate
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
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,+/-]*")
_T = TypeVar("_T")


class DocumentError(ValueError):
    """A document is at fault; ``path`` leads to the entry (``machine_types[3].parent``)."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


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
        """The document as plain JSON data; :func:`from_json` reads it back without loss."""
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
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical document: what an approval and a revision name."""
        return _digest_of(Same(self))


@lru_cache(maxsize=128)
def _by_name(same: Same[Policy]) -> dict[str, MachineType]:
    # The first of a name counts; a document that is read has each once.
    return {item.name: item for item in reversed(same.object.machine_types)}


@lru_cache(maxsize=128)
def _digest_of(same: Same[Policy]) -> str:
    """Asked of the same object again and again, and a policy never changes."""
    return digest(same.object.to_json())


def canonical(document: Any) -> str:
    """Canonical JSON (RFC 8785 for data without fractions): the text that digests are taken of."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(document: Any) -> str:
    """SHA-256 (hex) of a document's canonical form."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def plain(value: Any) -> Any:
    """Tuples as lists, as JSON would give them back."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


# --- Reading --------------------------------------------------------------------------------------


def from_json(document: Any) -> Policy:
    """Read a policy document. Raises :class:`DocumentError` that names the path to the fault."""
    root = _Reader(document, "policy")
    if root.integer("schema") != SCHEMA:
        raise DocumentError("policy.schema", f"is not {SCHEMA}, the version this program reads")
    release = root.child("release")
    base = root.child("base")
    policy = Policy(
        tree=release.name("tree"),
        version=release.name("version"),
        base=CatalogueRef(
            base.text("release"), base.text("digest"), base.text("stand_in_for", default="")
        ),
        backports=root.items("backports", _backport),
        machine_types=root.items("machine_types", _machine_type),
        overrides=root.items("overrides", _override),
        mitigations=root.items("mitigations", _mitigation),
        migrations=root.items("migrations", _migration),
        devices=root.texts("devices"),
        waivers=root.items("waivers", _waiver),
    )
    _check_machine_types(policy)
    return policy


def remembered(document: Any) -> Policy:
    """What :func:`from_json` reads; the same object for the same content while it is in memory."""
    return _read(json.dumps(document))


@lru_cache(maxsize=128)
def _read(text: str) -> Policy:
    return from_json(json.loads(text))


def _check_machine_types(policy: Policy) -> None:
    if len(policy.machine_types) > MAX_MACHINE_TYPES:
        raise DocumentError("policy.machine_types", f"are more than {MAX_MACHINE_TYPES}")
    names = {item.name for item in policy.machine_types}
    seen: set[str] = set()
    for number, item in enumerate(policy.machine_types):
        path = f"policy.machine_types[{number}]"
        if item.name in seen:
            raise DocumentError(f"{path}.name", f"'{item.name}' is there twice")
        seen.add(item.name)
        if item.parent and item.parent not in names:
            raise DocumentError(f"{path}.parent", f"no machine type '{item.parent}' here")
        root = policy.lineage(item.name)[0]
        if root.parent:
            raise DocumentError(f"{path}.parent", f"'{item.name}' is its own ancestor")


class _Reader:
    """An object of the document and the path to it."""

    def __init__(self, document: Any, path: str) -> None:
        if not isinstance(document, dict):
            raise DocumentError(path, "should be an object")
        self.document, self.path = document, path

    def text(self, key: str, *, default: str | None = None) -> str:
        value = self.document.get(key, default)
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise DocumentError(f"{self.path}.{key}", f"should be a text, is {value!r:.60}")
        return value

    def name(self, key: str) -> str:
        value = self.text(key)
        if len(value) > MAX_NAME or not _NAME.fullmatch(value):
            raise DocumentError(f"{self.path}.{key}", f"'{value:.60}' is no valid name")
        return value

    def integer(self, key: str) -> int:
        value = self.document.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
            raise DocumentError(f"{self.path}.{key}", f"should be a whole number: {value!r:.60}")
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        value = self.text(key)
        if value not in choices:
            raise DocumentError(f"{self.path}.{key}", f"'{value:.60}' is none of {list(choices)}")
        return value

    def day(self, key: str) -> str:
        value = self.text(key)
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError as error:
            problem = f"'{value:.60}' is no date such as 2027-01-31"
            raise DocumentError(f"{self.path}.{key}", problem) from error

    def child(self, key: str) -> _Reader:
        return _Reader(self.document.get(key), f"{self.path}.{key}")

    def _list(self, key: str) -> Iterator[tuple[str, Any]]:
        value = self.document.get(key, [])
        if not isinstance(value, list) or len(value) > MAX_ENTRIES:
            raise DocumentError(f"{self.path}.{key}", f"should be a list (at most {MAX_ENTRIES})")
        for number, item in enumerate(value):
            yield f"{self.path}.{key}[{number}]", item

    def items(self, key: str, read: Callable[[_Reader], _T]) -> tuple[_T, ...]:
        return tuple(read(_Reader(item, path)) for path, item in self._list(key))

    def texts(self, key: str) -> tuple[str, ...]:
        found = []
        for path, item in self._list(key):
            if not isinstance(item, str) or len(item) > MAX_TEXT:
                raise DocumentError(path, f"should be a text, is {item!r:.60}")
            found.append(item)
        return tuple(found)


def _entry(reader: _Reader) -> CompatProperty:
    return CompatProperty(
        reader.name("driver"),
        reader.name("property"),
        reader.text("value"),
        reader.text("array", default=""),
    )


def _machine_type(reader: _Reader) -> MachineType:
    return MachineType(
        name=reader.name("name"),
        parent=reader.text("parent", default=""),
        entries=reader.items("entries", _entry),
        note=reader.text("note", default=""),
    )


def _override(reader: _Reader) -> Override:
    return Override(
        device=reader.name("device"),
        section=reader.text("section"),
        version=reader.integer("version"),
        action=reader.choice("action", ("relax", "tighten")),  # type: ignore[arg-type]
        justification=reader.text("justification"),
        machine_type=reader.text("machine_type", default=""),
    )


def _mitigation(reader: _Reader) -> Mitigation:
    return Mitigation(
        started_on=reader.text("started_on"),
        machine_type=reader.name("machine_type"),
        entries=reader.items("entries", _entry),
        reason=reader.text("reason", default=""),
        until=reader.text("until", default=""),
    )


def _migration(reader: _Reader) -> Migration:
    return Migration(
        source=reader.text("source"),
        destination=reader.text("destination"),
        expected=reader.choice("expected", DECLARABLE),
        machine_type=reader.text("machine_type", default=""),
        note=reader.text("note", default=""),
    )


def _waiver(reader: _Reader) -> Waiver:
    return Waiver(
        source=reader.text("source"),
        destination=reader.text("destination"),
        machine_type=reader.text("machine_type", default=""),
        finding=reader.text("finding", default=""),
        bound=reader.text("bound"),
        reason=reader.text("reason"),
        expires=reader.day("expires"),
        about=reader.text("about", default=""),
    )


def _backport(reader: _Reader) -> Backport:
    return Backport(
        feature=feature_from_json(reader.document.get("feature"), f"{reader.path}.feature"),
        introduced=reader.text("introduced", default=""),
        commit=reader.text("commit", default=""),
        tracker=reader.text("tracker", default=""),
        justification=reader.text("justification", default=""),
        grafts=reader.items("grafts", _graft),
    )


def _graft(reader: _Reader) -> Graft:
    description = reader.document.get("description")
    try:
        parse_description(description, f"{reader.path}.description")
    except CatalogueError as error:
        raise DocumentError(error.place, error.problem) from error
    assert isinstance(description, dict)  # noqa: S101 - parse_description has checked it
    return Graft(reader.text("section"), description)


def feature_from_json(document: Any, path: str = "feature") -> FeatureSpec:
    """A feature from its JSON form. Raises :class:`DocumentError`."""
    reader = _Reader(document, path)
    gate = None
    if reader.document.get("gate") is not None:
        gated = reader.child("gate")
        gate = Gate(gated.name("driver"), gated.name("property"), gated.text("on"))
    return FeatureSpec(
        slug=reader.name("slug"),
        title=reader.text("title"),
        device=reader.name("device"),
        carriers=reader.items("carriers", _carrier),
        gate=gate,
    )


def _carrier(reader: _Reader) -> Carrier:
    return Carrier(
        section=reader.text("section"),
        version=None if reader.document.get("version") is None else reader.integer("version"),
        fields=reader.texts("fields"),
        subsection=reader.document.get("subsection") is True,
    )
