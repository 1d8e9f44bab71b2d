"""Would the release described by a catalogue load this stream?

The answer comes from the mechanisms by which QEMU itself refuses (migration/savevm.c,
migration/vmstate.c, migration/ram.c, hw/pci/pci.c, hw/virtio/virtio.c), taken in the order in which
a destination meets them: machine type, RAM blocks, then each section's presence, version, fields
and subsections. What the destination's own devices look like is known from a *profile*: a stream
that it saved itself in the same configuration. Without one, only what the catalogue tells is
judged.

    >>> release = Release.of(Catalogue("1.0"))
    >>> stream = Snapshot("pc-1.0", (), ())
    >>> trial(stream, release, Snapshot("pc-1.1", (), ())).kind
    'machine-type'
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from machines.emulator import pci, virtio
from machines.emulator.catalogue import (
    Catalogue,
    CatalogueError,
    Description,
    MachineType,
    load_json,
    parse,
)
from machines.emulator.compare import Finding, compare_sent, unmigratable
from machines.emulator.decode import integer_type
from machines.emulator.errors import StreamError
from machines.emulator.events import (
    Configuration,
    Payload,
    RamBlock,
    RamBlockList,
    SectionBegin,
    VmDescription,
    encode_subsection_header,
)
from machines.emulator.stream import read_events
from machines.emulator.vmdescription import MAX_DESCRIPTION_DEPTH, parse_vmdescription
from machines.emulator.window import open_stream

if TYPE_CHECKING:
    from machines.emulator.suggest import Destination

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

MAX_LEAVES = 2**18  # fields of one section, array elements that are structures counted singly

MAX_INTERNED = 4096  # descriptions kept to be told alike

#: Types that bring their own length, so that a destination reads them whatever it is.
SELF_DELIMITING = frozenset({"virtio", "QTAILQ", "gtree", "scsi-requests"})
#: RAM blocks made by ``rom_add_blob`` may be resized by a stream (hw/core/loader.c).
RESIZABLE_PREFIX = "/rom@"

#: The property by which a release keeps the old limit of the one transport that never allocated
#: what a guest asked for. A release that has it compares queue sizes when loading.
QUEUE_SIZE_CHECK = ("virtio-mmio", "x-override-queue-size")


# --- Answers ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """``section`` is the id string as in the stream; ``reason`` is in QEMU's words."""

    outcome: Literal["accepted", "refused"]
    section: str | None = None
    field: str | None = None
    kind: Kind | None = None
    reason: str | None = None
    suggestion: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "section": self.section,
            "field": self.field,
            "kind": self.kind,
            "reason": self.reason,
            "suggestion": self.suggestion,
        }


ACCEPTED = Verdict("accepted")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a destination refuses, with what a suggestion can be found from.

    ``description`` is the name of the section's description; of a ``pci-config`` refusal,
    ``detail`` is the place and ``own`` and ``incoming`` the whole configuration spaces.
    """

    section: str
    field: str | None
    kind: Kind
    reason: str
    description: str = ""
    detail: pci.Difference | None = None
    own: bytes = b""
    incoming: bytes = b""


# --- What a trial looks at ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Section:
    """A device section as sent: ``device`` is its entry in the vmdescription, None without."""

    idstr: str
    instance_id: int
    version_id: int
    payload: bytes
    device: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        """The description's name, which ``-dump-vmstate`` lists."""
        return str(self.device.get("vmsd_name", "")) if self.device else ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stream without its guest memory."""

    machine: str | None
    blocks: tuple[RamBlock, ...]
    sections: tuple[Section, ...]
    by_key: Mapping[tuple[str, int], Section] = field(default_factory=dict)


@lru_cache(maxsize=48)
def _devices(text: bytes, offset: int) -> dict[tuple[str, int], Mapping[str, Any]]:
    document = parse_vmdescription(text, offset)
    return {
        (device["name"], device["instance_id"]): _interned(device) for device in document["devices"]
    }


_known_devices: dict[tuple[Any, int, int], list[Mapping[str, Any]]] = {}


def _interned(device: Mapping[str, Any]) -> Mapping[str, Any]:
    """One object for all equal descriptions: most sections look the same in most streams."""
    fields = device.get("fields")
    subsections = device.get("subsections")
    key = (
        device["name"],
        len(fields) if isinstance(fields, list) else -1,
        len(subsections) if isinstance(subsections, list) else -1,
    )
    alike = _known_devices.setdefault(key, [])
    for known in alike:
        if known == device:
            return known
    if len(_known_devices) + len(alike) > MAX_INTERNED:
        _known_devices.clear()
    alike.append(device)
    return device


def read_snapshot(path: Path) -> Snapshot:
    """What a trial needs of a stream's file, plain or .xz. Raises :class:`StreamError`."""
    machine: str | None = None
    blocks: tuple[RamBlock, ...] = ()
    found: list[tuple[SectionBegin, bytes]] = []
    devices: Mapping[tuple[str, int], Mapping[str, Any]] = {}
    begin: SectionBegin | None = None
    with open_stream(path) as file:
        for event in read_events(file):
            if isinstance(event, SectionBegin):
                begin = event
            elif isinstance(event, Payload) and begin is not None:
                found.append((begin, event.data))
            elif isinstance(event, RamBlockList):
                blocks = event.blocks
            elif isinstance(event, Configuration):
                machine = event.machine
            elif isinstance(event, VmDescription):
                devices = _devices(event.text, event.offset)
    sections = tuple(
        Section(
            head.idstr,
            head.instance_id,
            head.version_id,
            payload,
            devices.get((head.idstr, head.instance_id)),
        )
        for head, payload in found
    )
    by_key = {(section.idstr, section.instance_id): section for section in sections}
    return Snapshot(machine, blocks, sections, by_key)


class Release:
    """A destination's catalogue, read no further than a trial needs.

    Descriptions decide nearly every trial; properties, which are most of a catalogue, are read
    only when a refusal asks for them.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise CatalogueError(str(directory), "is not a folder of catalogue files")
        self._directory = directory
        self._whole: Catalogue | None = None
        self._documents: dict[str, Any] = {}
        self._parts: dict[tuple[str, ...], Catalogue] = {}

    @classmethod
    def of(cls, catalogue: Catalogue) -> Release:
        """A release whose catalogue is in memory already."""
        release = cls(Path())
        release._whole = catalogue
        return release

    def catalogue_of(self, drivers: Sequence[str]) -> Catalogue:
        """The catalogue with the properties of these device types alone."""
        if self._whole is not None:
            return self._whole
        wanted = tuple(sorted(drivers))
        if wanted not in self._parts:
            listed = self.document("properties") or {}
            chosen = {name: listed[name] for name in wanted if name in listed}
            self._parts[wanted] = replace(
                self._small, properties=parse({"properties": chosen}).properties
            )
        return self._parts[wanted]

    @cached_property
    def _small(self) -> Catalogue:
        """Types and machine types, without descriptions and properties."""
        names = ("version", "types", "machines", "compat")
        documents = {name: self.document(name) for name in names}
        return parse({name: found for name, found in documents.items() if found is not None})

    @property
    def in_memory(self) -> bool:
        """Whether the whole catalogue was given, not a folder."""
        return self._whole is not None

    @property
    def machine_types(self) -> Mapping[str, MachineType]:
        return (self._whole or self._small).machine_types

    @property
    def types(self) -> Mapping[str, str | None]:
        return (self._whole or self._small).types

    def document(self, name: str) -> Any:
        """One file of the catalogue, read once, None where it is missing."""
        if name not in self._documents:
            found = None
            for path in (self._directory / f"{name}.json", self._directory / f"{name}.json.xz"):
                if path.is_file():
                    found = load_json(path.name, path.read_bytes())
                    break
            self._documents[name] = found
        return self._documents[name]

    @cached_property
    def all_descriptions(self) -> Mapping[str, Description]:
        """Driver → description."""
        if self._whole is not None:
            return self._whole.descriptions
        document = self.document("vmstate")
        if document is None:
            raise CatalogueError(str(self._directory), "has no vmstate.json (or .xz)")
        return parse({"vmstate": document}).descriptions

    @cached_property
    def descriptions(self) -> Mapping[str, tuple[Description, ...]]:
        """Description name → all descriptions of that name (drivers may share or reuse one)."""
        named: dict[str, list[Description]] = {}
        for description in self.all_descriptions.values():
            named.setdefault(description.name, []).append(description)
        return {name: tuple(found) for name, found in named.items()}

    @cached_property
    def checks_queue_sizes(self) -> bool:
        """Whether loading compares a virtqueue's size with what the device allocated."""
        driver, name = QUEUE_SIZE_CHECK
        return name in self.catalogue_of([driver]).properties.get(driver, {}) or any(
            entry.driver == driver and entry.property == name
            for machine in self.machine_types.values()
            for entry in machine.compat
        )


# --- The trial ----------------------------------------------------------------------------------


def trial(
    stream: Snapshot,
    into: Release,
    profile: Snapshot | None = None,
    globals: Sequence[tuple[str, str, str]] = (),
) -> Verdict:
    """Would ``into`` load ``stream``? ``globals`` are (driver, property, value) set there."""
    from machines.emulator import suggest

    destination = suggest.Destination(into, stream.machine, tuple(globals))
    mended = set()
    for refusal in _refusals(stream, into, profile, destination):
        if not destination.explains(refusal):
            return _refused(refusal, destination.suggestion(refusal))
        mended.add(refusal.section)  # the property makes the device like the source's
    for refusal, cause in destination.contradictions(stream, frozenset(mended)):
        return _refused(refusal, cause)
    return ACCEPTED


def _refused(refusal: Refusal, suggestion: str | None) -> Verdict:
    return Verdict(
        "refused", refusal.section, refusal.field, refusal.kind, refusal.reason, suggestion
    )


def _refusals(
    stream: Snapshot, into: Release, profile: Snapshot | None, destination: Destination
) -> Iterator[Refusal]:
    yield from _blocked(stream, into, profile)
    yield from _machine(stream, into, profile)
    if profile is not None:
        yield from _ram_blocks(stream, profile)
    for section in stream.sections:
        yield from _section(section, into, profile, destination)


def _blocked(stream: Snapshot, into: Release, profile: Snapshot | None) -> Iterator[Refusal]:
    """A device that cannot be migrated bars loading from the start (``qemu_loadvm_state``)."""
    for section in stream.sections:
        named = into.descriptions.get(section.name, ()) if section.name else ()
        saved = profile is not None and (section.idstr, section.instance_id) in profile.by_key
        if named and not saved and all(unmigratable(description) for description in named):
            yield Refusal(
                section.idstr,
                None,
                "unmigratable",
                f"State blocked by non-migratable device '{section.idstr}'",
                section.name,
            )


def _machine(stream: Snapshot, into: Release, profile: Snapshot | None) -> Iterator[Refusal]:
    received = stream.machine
    if received is None:
        return
    if profile is not None:
        if profile.machine is not None and profile.machine != received:
            yield Refusal(
                "configuration",
                "name",
                "machine-type",
                f"Machine type received is '{received}' and local is '{profile.machine}'",
            )
    elif into.machine_types and received not in into.machine_types:
        yield Refusal(
            "configuration", "name", "machine-type", f"unsupported machine type '{received}'"
        )


def _ram_blocks(stream: Snapshot, profile: Snapshot) -> Iterator[Refusal]:
    """``parse_ramblock`` in migration/ram.c."""
    lengths = {block.name: block.length for block in profile.blocks}
    for block in stream.blocks:
        length = lengths.get(block.name)
        if length is None:
            reason = f'Unknown ramblock "{block.name}", cannot accept migration'
        elif length != block.length and not block.name.startswith(RESIZABLE_PREFIX):
            reason = (
                f"Size mismatch: {block.name}: 0x{block.length:x} != 0x{length:x}: Invalid argument"
            )
        else:
            continue
        owner = _owner(block.name, stream, profile)
        yield Refusal("ram", block.name, "ramblock", reason, owner)


def _owner(block: str, stream: Snapshot, profile: Snapshot) -> str:
    """The description's name of the device that a RAM block belongs to, as its path tells.

    A block without a path may be one that the other side names with it.
    """
    names = [block, *(other.name for other in profile.blocks if other.name.endswith(f"/{block}"))]
    for name in names:
        path = name.rpartition("/")[0]
        for section in stream.sections:
            if path and section.idstr.startswith(f"{path}/"):
                return section.name
    return ""


def _section(
    section: Section, into: Release, profile: Snapshot | None, destination: Destination
) -> Iterator[Refusal]:
    named = into.descriptions.get(section.name, ()) if section.name else ()
    own = profile.by_key.get((section.idstr, section.instance_id)) if profile else None
    if own is None and (profile is not None or (_is_device(section) and not named)):
        yield Refusal(
            section.idstr,
            None,
            "unknown-section",
            f"Unknown savevm section or instance '{section.idstr}' {section.instance_id}",
            section.name,
        )
        return
    description = _describing(named, own)
    yield from _versions(section, own, description, named)
    if destination.may_blacklist:
        yield from destination.blacklisted(section)
    if own is None:
        yield from _by_description(section, named)
    elif section.payload != own.payload or section.device is not own.device:
        yield from _Comparison(section, own, description, destination).refusals()


def _is_device(section: Section) -> bool:
    """A section of a device on a bus has the bus's path before its name."""
    return "/" in section.idstr and section.device is not None and bool(section.name)


def _describing(named: Sequence[Description], own: Section | None) -> Description | None:
    """Of several descriptions with one name, the one of the version that the device saves."""
    if own is not None:
        for description in named:
            if description.version_id == own.version_id:
                return description
    return named[0] if named else None


def _versions(
    section: Section,
    own: Section | None,
    description: Description | None,
    named: Sequence[Description],
) -> Iterator[Refusal]:
    """``qemu_loadvm_section_start_full``, then ``vmstate_load_state``."""
    version = section.version_id
    if own is not None:
        newest = own.version_id
    elif named:
        newest = max(item.version_id for item in named)
    else:
        return
    if version > newest:
        yield Refusal(
            section.idstr,
            None,
            "version-too-new",
            f"savevm: unsupported version {version} for '{section.idstr}' v{newest}",
            section.name,
        )
    elif description is not None and version < description.minimum_version_id:
        yield Refusal(
            section.idstr,
            None,
            "version-too-old",
            f"{description.name}: incoming version_id {version} is too old "
            f"for local minimum version_id {description.minimum_version_id}",
            section.name,
        )


def _by_description(section: Section, named: Sequence[Description]) -> Iterator[Refusal]:
    """Without a profile: the fields that the destination reads whatever its configuration.

    Of several descriptions with the section's name, one that reads it is enough.
    """
    if section.device is None:
        return
    first: Finding | None = None
    for description in named:
        finding = next(compare_sent(section.device, section.version_id, description), None)
        if finding is None:
            return
        first = first or finding
    if first is not None:
        yield Refusal(section.idstr, first.field, "layout", first.message, section.name)


# --- Fields -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field on the wire: ``path`` in the section, offset and size in bytes.

    ``structure`` is the description it belongs to; ``subsections`` those it is inside of.
    ``count`` is the number of elements of an array of plain values.
    """

    path: str
    kind: str
    offset: int
    size: int
    count: int
    structure: str
    subsections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubsectionHeader:
    """Where a subsection begins: ``path`` tells which, ``name`` is what the stream says."""

    path: tuple[str, ...]
    name: str
    version_id: int


class _Flattening:
    """The fields of a described section in the order of the wire."""

    def __init__(self, device: Mapping[str, Any], section: str) -> None:
        self.leaves: list[Leaf] = []
        self.subsections: dict[tuple[str, ...], SubsectionHeader] = {}
        self._seen: dict[str, int] = {}
        self._offset = 0
        self._section = section
        try:
            self._description(device, "", str(device.get("vmsd_name", "")), (), 0)
        except (KeyError, TypeError, AttributeError, struct.error) as error:
            raise StreamError(
                0, section, f"its vmdescription is malformed ({type(error).__name__}: {error})"
            ) from error

    @cached_property
    def layout(self) -> tuple[tuple[str, int], ...]:
        """What two sides must have alike for every field to be read as it was sent."""
        return tuple((leaf.path, leaf.size) for leaf in self.leaves)

    @cached_property
    def checked(self) -> tuple[int, ...]:
        """The leaves whose values QEMU looks at when loading, by their numbers."""
        return tuple(number for number, leaf in enumerate(self.leaves) if _is_checked(leaf))

    def _description(
        self,
        description: Mapping[str, Any],
        path: str,
        structure: str,
        inside: tuple[str, ...],
        depth: int,
    ) -> None:
        if depth > MAX_DESCRIPTION_DEPTH:
            raise StreamError(0, self._section, "its vmdescription nests too deeply")
        for item in description.get("fields", ()):
            name = path + item["name"]
            if "index" in item:
                name += f"[{item['index']}]"
            structured = item.get("struct")
            if structured is None:
                self._leaf(item, name, structure, inside)
                continue
            length = item.get("array_len")
            inner = str(structured.get("vmsd_name", ""))
            for index in range(1 if length is None else length):
                element = f"{name}." if length is None else f"{name}[{index}]."
                self._description(structured, element, inner, inside, depth + 1)
        for item in description.get("subsections", ()):
            name = item["vmsd_name"]
            deeper = (*inside, name)
            self.subsections[deeper] = SubsectionHeader(deeper, name, item["version"])
            self._offset += len(encode_subsection_header(name, item["version"]))
            self._description(item, f"{name}/", name, deeper, depth + 1)

    def _leaf(
        self, item: Mapping[str, Any], name: str, structure: str, inside: tuple[str, ...]
    ) -> None:
        if len(self.leaves) >= MAX_LEAVES:
            raise StreamError(0, self._section, f"more than {MAX_LEAVES} fields")
        again = self._seen.get(name, 0)
        self._seen[name] = again + 1
        count = item.get("array_len", 1)
        size = item["size"] * count
        path = f"{name}#{again}" if again else name
        self.leaves.append(
            Leaf(path, str(item["type"]), self._offset, size, count, structure, inside)
        )
        self._offset += size


_flattened: dict[int, tuple[Mapping[str, Any], _Flattening]] = {}


def flatten(section: Section) -> _Flattening:
    """Flattening a description is done once for all streams that share it."""
    device: Mapping[str, Any] = section.device or {
        "fields": [{"name": "data", "type": "buffer", "size": len(section.payload)}]
    }
    known = _flattened.get(id(device))
    if known is not None and known[0] is device:
        return known[1]
    flat = _Flattening(device, section.idstr)
    if len(_flattened) > 4096:
        _flattened.clear()
    _flattened[id(device)] = (device, flat)
    return flat


@dataclass(frozen=True, slots=True)
class _Plan:
    """Two layouts that are read alike, and the fields whose values are then looked at."""

    sent: _Flattening
    expected: _Flattening
    description: Description | None
    pairs: tuple[tuple[Leaf, Leaf], ...]


_plans: dict[tuple[int, ...], _Plan] = {}


def _is_checked(leaf: Leaf) -> bool:
    return leaf.kind in _CHECKS or leaf.kind.endswith(" equal")


class _Comparison:
    """What a destination's device reads of a section, against what was sent."""

    def __init__(
        self,
        section: Section,
        own: Section,
        description: Description | None,
        destination: Destination,
    ) -> None:
        self.section = section
        self.own = own
        self.description = description
        self.destination = destination
        self.sent = flatten(section)
        self.expected = flatten(own)
        self.depends_on_values = False
        self.checked: list[tuple[Leaf, Leaf]] = []

    def refusals(self) -> Iterator[Refusal]:
        if self.section.version_id == self.own.version_id and self._same_layout():
            for number in self.expected.checked:
                yield from self._pair(self.sent.leaves[number], self.expected.leaves[number])
            return
        key = (id(self.sent), id(self.expected), id(self.description), self.section.version_id)
        plan = _plans.get(key)
        if plan is None or plan.sent is not self.sent or plan.expected is not self.expected:
            yield from self._compare(key)
        else:
            for leaf, own in plan.pairs:
                yield from self._pair(leaf, own)
        yield from self._unknown_subsections()

    def _compare(self, key: tuple[int, ...]) -> Iterator[Refusal]:
        """Field by field; what was found is kept where it does not depend on any value."""
        dropped = self._unneeded()
        sent = [leaf for leaf in self.sent.leaves if not self._in(leaf, dropped)]
        absent = {path for path in self.expected.subsections if path not in self.sent.subsections}
        expected = [
            leaf
            for leaf in self.expected.leaves
            if not self._in(leaf, absent) and not self._newer(leaf)
        ]
        refused = False
        for refusal in self._walk(sent, expected):
            refused |= refusal.kind == "layout"
            yield refusal
        if not refused and not self.depends_on_values:
            if len(_plans) >= MAX_INTERNED:
                _plans.clear()
            _plans[key] = _Plan(self.sent, self.expected, self.description, tuple(self.checked))

    def _same_layout(self) -> bool:
        if self.sent is self.expected:
            return True
        return (
            self.sent.subsections == self.expected.subsections
            and self.sent.layout == self.expected.layout
        )

    @staticmethod
    def _in(leaf: Leaf, paths: set[tuple[str, ...]]) -> bool:
        inside = leaf.subsections
        return bool(paths and inside) and any(
            inside[:length] in paths for length in range(1, len(inside) + 1)
        )

    def _unneeded(self) -> set[tuple[str, ...]]:
        """Subsections that the profile did not need: the destination reads them all the same."""
        return {path for path in self.sent.subsections if path not in self.expected.subsections}

    def _unknown_subsections(self) -> list[Refusal]:
        found = []
        known = _memo(self.description).subsections if self.description else None
        for path, header in self.sent.subsections.items():
            ours = self.expected.subsections.get(path)
            if ours is not None:
                if header.version_id > ours.version_id:
                    found.append(
                        self._refusal(
                            header.name,
                            "version-too-new",
                            f"{header.name}: incoming version_id {header.version_id} is too new "
                            f"for local version_id {ours.version_id}",
                        )
                    )
            elif known is not None and header.name not in known:
                found.append(
                    self._refusal(
                        header.name,
                        "unknown-section",
                        f"VM subsection '{header.name}' in '{self.section.name}' does not exist",
                    )
                )
        return found

    def _newer(self, leaf: Leaf) -> bool:
        """A field that the destination's description has only in versions above the sent one."""
        if self.section.version_id == self.own.version_id or self.description is None:
            return False
        if leaf.subsections:
            return False
        versions = _memo(self.description).versions
        name = leaf.path
        while name:
            since = versions.get(name.split("#")[0])
            if since is not None:
                return since > self.section.version_id
            cut = max(name.rfind("."), name.rfind("["))
            name = name[:cut] if cut > 0 else ""
        return False

    def _refusal(self, path: str | None, kind: Kind, reason: str) -> Refusal:
        return Refusal(self.section.idstr, path, kind, reason, self.section.name)

    # Field by field --------------------------------------------------------------------------

    def _walk(self, sent: list[Leaf], expected: list[Leaf]) -> Iterator[Refusal]:
        """Fields of one path belong together; what lies between them must take the same bytes.

        Where it does not, the destination reads on at the wrong place (``drift``) and what it
        finds there means nothing, unless later fields make up for it: a footer that is where it
        is expected is all that QEMU asks for.
        """
        places = {leaf.path: index for index, leaf in enumerate(expected)}
        start = at = drift = 0
        first = ""
        for index in range(len(sent) + 1):
            if index < len(sent):
                place = places.get(sent[index].path, -1)
                if place < at or not self._alike(sent[index], expected[place]):
                    continue
            else:
                place = len(expected)
            change = self._gap(sent[start:index], expected[at:place])
            if change and not drift:
                first = (sent[start:index] or expected[at:place])[0].path
            drift += change
            if index < len(sent) and not drift and _is_checked(expected[place]):
                self.checked.append((sent[index], expected[place]))
                yield from self._pair(sent[index], expected[place])
            start, at = index + 1, place + 1
        if drift:
            yield self._refusal(first, "layout", f"Missing section footer for {self.section.idstr}")

    def _alike(self, leaf: Leaf, own: Leaf) -> bool:
        """Whether two fields of one path are read as one, whatever their sizes."""
        if leaf.size == own.size or own.kind in SELF_DELIMITING or own.kind == "pci config":
            return True
        self.depends_on_values = True
        if own.kind == "virtio-gpu":  # a guest's resources are sent before the scanouts
            return not (
                self._has_no_resources(self.section, leaf) and self._has_no_resources(self.own, own)
            )
        return self._count_is_sent(leaf.count, own.count, leaf) or self._count_is_sent(
            leaf.size, own.size, leaf
        )

    @staticmethod
    def _has_no_resources(section: Section, leaf: Leaf) -> bool:
        """A list of resources ends with id 0 (hw/display/virtio-gpu.c): here it ends at once."""
        return section.payload[leaf.offset : leaf.offset + 4] == bytes(4)

    def _gap(self, sent: list[Leaf], expected: list[Leaf]) -> int:
        """How many bytes more are sent than read, of fields that are not read as one."""
        change = sum(leaf.size for leaf in sent) - sum(leaf.size for leaf in expected)
        if change:
            self.depends_on_values = True
            if self._same_elements(sent or expected):
                return 0
        return change

    def _same_elements(self, leaves: list[Leaf]) -> bool:
        """Array elements beyond the other side's, where the stream itself tells the number."""
        bases = {leaf.path.rsplit("[", 1)[0] for leaf in leaves if "[" in leaf.path}
        if len(bases) == 0 or any("[" not in leaf.path for leaf in leaves):
            return False
        for leaf in leaves:
            base = leaf.path.split("[", 1)[0]
            if not self._count_is_sent(
                _elements(self.sent.leaves, base), _elements(self.expected.leaves, base), leaf
            ):
                return False
        return True

    def _count_is_sent(self, sent: int, expected: int, before: Leaf) -> bool:
        """Whether an earlier whole number says ``sent`` there and ``expected`` here."""
        places = {leaf.path: leaf for leaf in self.expected.leaves}
        for leaf in self.sent.leaves:
            if leaf.path == before.path:
                break
            other = places.get(leaf.path)
            if (
                other is not None
                and leaf.count == 1
                and integer_type(leaf.kind) is not None
                and not leaf.kind.endswith(" equal")
                and _integer(self.section.payload, leaf) == sent
                and _integer(self.own.payload, other) == expected
            ):
                return True
        return False

    def _pair(self, leaf: Leaf, own: Leaf) -> Iterator[Refusal]:
        incoming = self.section.payload[leaf.offset : leaf.offset + leaf.size]
        ours = self.own.payload[own.offset : own.offset + own.size]
        if incoming == ours:
            return
        check = _CHECKS.get(own.kind)
        if check is None and own.kind.endswith(" equal"):
            check = _check_equal
        if check is not None:
            yield from check(self, own, incoming, ours)

    def failed(self, leaf: Leaf, kind: Kind, reason: str) -> Refusal:
        """A field's own check failed; QEMU then names structure and field."""
        name = leaf.path.rsplit(".", 1)[-1].split("[")[0].split("#")[0]
        return self._refusal(leaf.path, kind, f"{reason}; Failed to load {leaf.structure}:{name}")


def _elements(leaves: Sequence[Leaf], base: str) -> int:
    prefix = f"{base}["
    return len(
        {
            leaf.path[len(prefix) :].split("]", 1)[0]
            for leaf in leaves
            if leaf.path.startswith(prefix)
        }
    )


def _integer(payload: bytes, leaf: Leaf) -> int:
    return int.from_bytes(
        payload[leaf.offset : leaf.offset + leaf.size], "big", signed=bool(integer_type(leaf.kind))
    )


def _check_equal(
    comparison: _Comparison, leaf: Leaf, incoming: bytes, own: bytes
) -> Iterator[Refusal]:
    if len(incoming) != len(own):
        return
    ours, theirs = int.from_bytes(own, "big"), int.from_bytes(incoming, "big")
    yield comparison.failed(leaf, "equal", f"{ours:x} != {theirs:x}")


def _check_at_most(
    comparison: _Comparison, leaf: Leaf, incoming: bytes, own: bytes
) -> Iterator[Refusal]:
    """``int32 le``: not negative, and not above the device's own."""
    theirs = int.from_bytes(incoming, "big", signed=True)
    ours = int.from_bytes(own, "big", signed=True)
    if not 0 <= theirs <= ours:
        yield comparison.failed(
            leaf, "equal", f"Invalid value {theirs} expecting positive value <= {ours}"
        )


def _check_pci_config(
    comparison: _Comparison, leaf: Leaf, incoming: bytes, own: bytes
) -> Iterator[Refusal]:
    if len(own) < pci.CONFIG_SIZE or len(incoming) < pci.CONFIG_SIZE:
        return
    difference = pci.first_difference(own, incoming)
    if difference is not None:
        refusal = comparison.failed(leaf, "pci-config", difference.message())
        yield replace(refusal, detail=difference, own=own, incoming=incoming)
    elif len(own) != len(incoming):
        yield comparison.failed(leaf, "layout", "the configuration spaces differ in size")


def _check_virtio(
    comparison: _Comparison, leaf: Leaf, incoming: bytes, own: bytes
) -> Iterator[Refusal]:
    try:
        ours = virtio.parse(own)
    except virtio.Malformed:
        return  # another transport: nothing is known of its layout
    destination = comparison.destination
    name = comparison.section.name
    failure = virtio.load(
        ours,
        incoming,
        check_queue_sizes=lambda: destination.release.checks_queue_sizes,
        offered=lambda bit: destination.offers(name, bit),
    )
    if failure is None:
        return
    kind: Kind = "virtio" if failure.difference is None else "pci-config"
    refusal = comparison.failed(leaf, kind, failure.reason)
    if failure.difference is not None:
        incoming_config = incoming[4 : 4 + len(ours.config)]
        refusal = replace(
            refusal, detail=failure.difference, own=ours.config, incoming=incoming_config
        )
    yield replace(refusal, field=f"{leaf.path}.{failure.field}")


_CHECKS = {
    "int32 le": _check_at_most,
    "pci config": _check_pci_config,
    "virtio": _check_virtio,
}


class _Memo:
    """A description's digest, made once: hashing the whole tree each time would cost more."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.subsections = frozenset(
            subsection.name for item in description.walk() for subsection in item.subsections
        )
        self.versions: dict[str, int] = {}
        for item in description.fields:
            self.versions[item.name] = min(
                item.version_id, self.versions.get(item.name, item.version_id)
            )


_memos: dict[int, _Memo] = {}


def _memo(description: Description) -> _Memo:
    known = _memos.get(id(description))
    if known is None or known.description is not description:
        if len(_memos) > 8192:
            _memos.clear()
        known = _memos[id(description)] = _Memo(description)
    return known
