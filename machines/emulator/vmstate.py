"""The interpreter that saves and loads a device's state by its description.

Descriptions are data; nothing here knows a device. The walk is the one of QEMU's
migration/vmstate.c: the fields that exist in the stream's version, nested structures at their own
current version, then the subsections, each optional and announced by its name.

A dump does not tell everything that vmstate.c knows. What is made of the gaps:

* The number of elements is unknown in dumps of QEMU before 8.0, and a C predicate decides whether
  a conditional field exists. :func:`reconcile` takes both from the other release's description of
  the same field; what stays conditional is left out and named by :meth:`Section.left_out`.
* An opaque leaf is sent with its size in C; one of size 0 (a pointer whose length other fields
  tell) with :data:`OPAQUE_BYTES`.
* An array of many structures is sent whole but kept as one leaf, see :data:`MAX_EXPANDED`.

State is a mapping from a leaf's ``path`` to its bytes; a path that is missing is in reset (zero).
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import (
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from machines.emulator.catalogue import Description, Field
from machines.emulator.errors import EmulatorError
from machines.emulator.events import SectionType, encode_subsection_header

OPAQUE_BYTES = 8
#: Arrays of structures with more leaves than this are one leaf.
MAX_EXPANDED = 256
MAX_LEAF_BYTES = 4 * 2**20
MAX_SECTION_BYTES = 8 * 2**20
MAX_NAME_LENGTH = 255
MAX_DEPTH = 32
MAX_CACHED = 8192
UNUSED = "unused"

_T = TypeVar("_T")


class DescriptionError(EmulatorError):
    """A description is beyond a limit; the message names the section and the field."""


class LoadError(EmulatorError):
    """The destination refuses a stream, in QEMU's words.

    ``kind`` is one of ``version-too-new``, ``version-too-old``, ``unknown-section``, ``layout``,
    ``blacklisted``; ``section`` and ``field`` name the place (``field`` may be empty).
    """

    def __init__(self, kind: str, reason: str, section: str, field: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.section = section
        self.field = field


# --- Layouts --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """One field on the wire. ``size`` is in bytes, of all ``count`` elements together.

    ``section`` is the nearest section's or subsection's name, ``field`` the path within it,
    ``path`` unique within the device. ``version_id`` is that of the section's own field that the
    leaf belongs to: in an older stream the leaf is missing. ``members`` are the names inside one
    element where an array of structures is kept as one leaf.
    """

    section: str
    field: str
    path: str
    size: int
    count: int
    version_id: int
    members: tuple[str, ...] = ()

    @property
    def unused(self) -> bool:
        """A gap that keeps the place of a field that is gone (``VMSTATE_UNUSED``)."""
        return self.field.rpartition(".")[2] == UNUSED


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What travels for one structure: leaves and nested blocks in order, then subsections.

    ``field`` is the structure's name in its parent, empty for a section; ``name`` the
    description's name, with which its subsections' names begin. ``leaves`` are all of them in the
    order of the wire, those of nested blocks included, without those of subsections.
    """

    name: str
    field: str
    version: int
    steps: tuple[Leaf | Block, ...]
    subsections: tuple[Section, ...]
    leaves: tuple[Leaf, ...]
    size: int

    def all_subsections(self) -> Iterator[Section]:
        """Subsections of this block and of the blocks nested in it, not deeper."""
        for step in self.steps:
            if isinstance(step, Block):
                yield from step.all_subsections()
        yield from self.subsections


class Section:
    """A description at its place in a device: the main section, or a subsection of it.

    ``path`` names it within the device (``serial``, ``serial/serial/tsr``). The elements of an
    array of structures each have their own subsections, alike in path: ``place`` tells them apart.
    """

    def __init__(self, description: Description, path: str = "", prefix: str = "") -> None:
        self.description = description
        self.name = description.name
        self.path = path or description.name
        self.prefix = prefix
        self.version_id = description.version_id
        self.minimum_version_id = description.minimum_version_id
        self.place = f"{self.path}:{prefix}"
        self._blocks: dict[int, Block] = {}
        self._parts: tuple[Section, ...] | None = None
        self._left_out: tuple[str, ...] = ()

    @property
    def is_hidden(self) -> bool:
        """Whether an earlier subsection beside it has the same name: loading never finds this."""
        return not self.path.endswith(self.name)

    def at(self, version: int) -> Block:
        """The layout of a stream of that version. Raises :class:`DescriptionError`."""
        block = self._blocks.get(version)
        if block is None:
            left_out: list[str] = []
            block = _Compiler(self, left_out).block(self.description, version)
            if version == self.version_id:
                self._left_out = tuple(dict.fromkeys(left_out))
            if block.size > MAX_SECTION_BYTES:
                raise DescriptionError(f"{self.path}: larger than {MAX_SECTION_BYTES} bytes")
            self._blocks[version] = block
        return block

    def current(self) -> Block:
        """The layout of this release's own version."""
        return self.at(self.version_id)

    def left_out(self) -> tuple[str, ...]:
        """Conditional fields whose predicate is not known, hence not sent."""
        self.current()
        return self._left_out

    def walk(self) -> tuple[Section, ...]:
        """This section and all subsections below it, parents first."""
        if self._parts is None:
            below = (part for item in self.current().all_subsections() for part in item.walk())
            self._parts = (self, *below)
        return self._parts

    def check_version(self, version: int) -> None:
        """Can a stream of that version be read? Raises :class:`LoadError` (vmstate.c's words)."""
        if version > self.version_id:
            raise LoadError(
                "version-too-new",
                f"{self.name}: incoming version_id {version} is too new "
                f"for local version_id {self.version_id}",
                self.name,
            )
        if version < self.minimum_version_id:
            raise LoadError(
                "version-too-old",
                f"{self.name}: incoming version_id {version} is too old "
                f"for local minimum version_id {self.minimum_version_id}",
                self.name,
            )


@dataclass(frozen=True, slots=True)
class DescribedSection:
    """What a description says of one section. ``path`` is the one of :class:`Section`.

    ``parent`` is the path of the section that it is a subsection of, empty for the main section.
    """

    path: str
    parent: str
    description: Description

    @property
    def optional(self) -> bool:
        """Only a subsection may be absent."""
        return bool(self.parent)


def described_sections(description: Description) -> Iterator[DescribedSection]:
    """A device's main section and every subsection below it, parents first, each path once.

    Everyone who names a section of a device takes its path from here. Includes the subsections of
    nested structures: ``serial/serial/tsr`` of ``isa-serial`` belongs to the structure in its
    field ``state``. A second subsection of one name is ``NAME#2`` (``sd-card`` has one since
    11.0); the elements of an array of structures share a path, as they share a description.
    """
    seen: set[str] = set()
    for item in _described(DescribedSection(description.name, "", description)):
        if item.path not in seen:
            seen.add(item.path)
            yield item


def _described(section: DescribedSection) -> Iterator[DescribedSection]:
    yield section
    for name, item in _subsections_in(section.description):
        yield from _described(DescribedSection(f"{section.path}/{name}", section.path, item))


def _subsections_in(description: Description) -> Iterator[tuple[str, Description]]:
    """(marked name, description) of a section's subsections, then of its nested structures'."""
    yield from marked(description.subsections)
    for part in description.fields:
        if part.struct is not None:
            yield from _subsections_in(part.struct)


def marked(subsections: Iterable[Description]) -> Iterator[tuple[str, Description]]:
    """Each with its name, marked where some release describes two under one name.

    QEMU then finds the first when it loads (migration/vmstate.c, ``vmstate_get_subsection``).
    """
    occurrences: Counter[str] = Counter()
    for item in subsections:
        occurrences[item.name] += 1
        nth = occurrences[item.name]
        yield item.name + (f"#{nth}" if nth > 1 else ""), item


class _Compiler:
    """Lays one section out: decides which fields exist and how long each is."""

    def __init__(self, section: Section, left_out: list[str]) -> None:
        self.section = section
        self.left_out = left_out

    def block(self, description: Description, version: int) -> Block:
        return self._block(description, version, self.section.prefix, "", 0, 0)

    def _block(
        self,
        description: Description,
        version: int,
        prefix: str,
        name: str,
        since: int,
        depth: int,
    ) -> Block:
        name_fits = description.name.isascii() and len(description.name) <= MAX_NAME_LENGTH
        if not name_fits or not description.name.isprintable():
            raise DescriptionError(f"{self.section.path[:80]!r}: a name QEMU could not send")
        if depth > MAX_DEPTH:
            raise DescriptionError(f"{self.section.path}: nests deeper than {MAX_DEPTH}")
        steps: list[Leaf | Block] = []
        occurrences: dict[str, int] = {}
        for item in description.fields:
            # A description may send parts of one array as several fields of the same name.
            nth = occurrences[item.name] = occurrences.get(item.name, 0) + 1
            mark = f"#{nth}" if nth > 1 else ""
            if item.version_id > version:
                continue
            if item.conditional:
                self.left_out.append(prefix + item.name)
                continue
            # A nested structure travels at its own version: only the section's own fields
            # can be missing from an older stream.
            age = since if depth else item.version_id
            if item.struct is None:
                steps.append(self._leaf(item, prefix, mark, age))
            else:
                steps += self._structs(item, item.struct, prefix, mark, age, depth)
        sections = tuple(self._subsections(description, prefix))
        leaves = tuple(
            leaf for step in steps for leaf in ((step,) if isinstance(step, Leaf) else step.leaves)
        )
        size = sum(leaf.size for leaf in leaves)
        return Block(description.name, name, version, tuple(steps), sections, leaves, size)

    def _subsections(self, description: Description, prefix: str) -> Iterator[Section]:
        for name, item in marked(description.subsections):
            yield Section(item, f"{self.section.path}/{name}", prefix)

    def _structs(
        self, item: Field, struct: Description, prefix: str, mark: str, age: int, depth: int
    ) -> list[Leaf | Block]:
        count = 1 if item.count is None else item.count
        label = prefix + item.name + mark
        first = f"{label}[0]." if count > 1 else f"{label}."
        sample = self._block(struct, struct.version_id, first, item.name, age, depth + 1)
        if count == 1:
            return [sample]
        members = sample.leaves
        if count * max(1, len(members)) > MAX_EXPANDED:
            size = self._bounded(sample.size * count, label)
            names = tuple(leaf.field.removeprefix(first) for leaf in members)
            path = f"{self.section.path}:{label}"
            return [Leaf(self.section.name, label, path, size, count, age, names)]
        return [
            self._block(
                struct, struct.version_id, f"{label}[{i}].", f"{item.name}[{i}]", age, depth + 1
            )
            for i in range(count)
        ]

    def _leaf(self, item: Field, prefix: str, mark: str, age: int) -> Leaf:
        label = prefix + item.name
        count = 1 if item.count is None else item.count
        size = self._bounded((item.size or OPAQUE_BYTES) * count, label)
        path = f"{self.section.path}:{label}{mark}"
        return Leaf(self.section.name, label, path, size, count, age)

    def _bounded(self, size: int, label: str) -> int:
        if size > MAX_LEAF_BYTES:
            raise DescriptionError(
                f"{self.section.path}: field {label} has {size} bytes, more than {MAX_LEAF_BYTES}"
            )
        return size


# --- Saving and loading ---------------------------------------------------------------------------


class ByteReader:
    """A cursor over a section's payload. Reading past the end raises :class:`EndOfStream`."""

    __slots__ = ("_end", "data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self._end = len(data)

    def take(self, size: int) -> bytes:
        start = self.position
        stop = start + size
        if stop > self._end:
            raise EndOfStream(start, size, self._end - start)
        self.position = stop
        return self.data[start:stop]

    def peek(self, size: int, skip: int = 0) -> bytes:
        """At most ``size`` bytes, ``skip`` bytes ahead, without moving."""
        start = self.position + skip
        return self.data[start : start + size]

    def left(self) -> int:
        """How many bytes remain."""
        return self._end - self.position

    def be32(self) -> int:
        return int.from_bytes(self.take(4), "big")


#: How many bytes of the stream a leaf takes, looking ahead without moving.
Measure = Callable[["Leaf", ByteReader], int]


class EndOfStream(EmulatorError):
    """The payload is shorter than its reader expects; ``offset`` is in bytes within it."""

    def __init__(self, offset: int, wanted: int, left: int) -> None:
        super().__init__(f"payload ends at offset {offset}: {wanted} bytes wanted, {left} left")
        self.offset = offset


def save(
    block: Block,
    state: Mapping[str, bytes],
    sends: Callable[[Section], int | None],
    out: bytearray,
) -> None:
    """Append the payload of ``block`` to ``out`` (vmstate.c, ``vmstate_save_state_v``).

    ``sends`` tells a subsection's version, None where it is not needed.
    """
    for step in block.steps:
        if isinstance(step, Leaf):
            out += state.get(step.path) or bytes(step.size)
        else:
            save(step, state, sends, out)
    for section in block.subsections:
        version = sends(section)
        if version is None:
            continue
        out += encode_subsection_header(section.name, version)
        save(section.at(version), state, sends, out)


def load(
    block: Block,
    reader: ByteReader,
    state: MutableMapping[str, bytes],
    accepts: Callable[[Section, int], None],
    measure: Measure | None = None,
) -> None:
    """Read the payload of ``block`` into ``state`` (vmstate.c, ``vmstate_load_state``).

    ``accepts`` is asked for each subsection with its version, and raises :class:`LoadError` to
    refuse it. ``measure`` tells a leaf's length where the device knows it better than the
    description. Raises :class:`LoadError` and :class:`EndOfStream`.
    """
    for step in block.steps:
        if not isinstance(step, Leaf):
            load(step, reader, state, accepts, measure)
        elif step.unused:
            reader.take(step.size)
        else:
            size = step.size if measure is None else measure(step, reader)
            state[step.path] = reader.take(size)
    while section := _next_subsection(block, reader):
        version = reader.be32()
        section.check_version(version)
        accepts(section, version)
        load(section.at(version), reader, state, accepts, measure)


def _next_subsection(block: Block, reader: ByteReader) -> Section | None:
    """The subsection that begins at the cursor, which then stands behind its name.

    Of two with one name it is the first, whichever was sent (``vmstate_get_subsection``). None
    where none begins here, or one that belongs to an enclosing structure: its name does not begin
    with ours. Raises :class:`LoadError` for one of ours that is unknown.
    """
    head = reader.peek(2)
    if len(head) < 2 or head[0] != SectionType.SUBSECTION or head[1] <= len(block.name.encode()):
        return None
    raw = reader.peek(head[1], skip=2)
    if len(raw) != head[1] or not raw.startswith(block.name.encode()):
        return None
    name = raw.decode("utf-8", "replace")
    for section in block.subsections:
        if section.name == name:
            reader.take(2 + len(raw))
            return section
    raise LoadError(
        "unknown-section",
        f"error while loading state of '{block.name}': unknown subsection '{name}'",
        name,
    )


# --- The stream's own description -----------------------------------------------------------------

_INTEGER_TYPES = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}


#: A leaf → its type's name and its size in bytes, where the device knows them.
Shape = Callable[[Leaf], tuple[str, int] | None]


def describe(
    block: Block, sends: Callable[[Section], int | None], shape: Shape | None = None
) -> dict[str, Any]:
    """The block's part of the VMDESCRIPTION: ``vmsd_name``, ``version``, ``fields``, …"""
    document: dict[str, Any] = {
        "vmsd_name": block.name,
        "version": block.version,
        "fields": [
            _describe_leaf(step, shape)
            if isinstance(step, Leaf)
            else _describe_struct(step, sends, shape)
            for step in block.steps
        ],
    }
    sent = [
        describe(section.at(version), sends, shape)
        for section in block.subsections
        if (version := sends(section)) is not None
    ]
    if sent:
        document["subsections"] = sent
    return document


_ELEMENT = re.compile(r"^(.*)\[(\d+)\]$")


def _describe_struct(
    block: Block, sends: Callable[[Section], int | None], shape: Shape | None
) -> dict[str, Any]:
    document = {
        "name": block.field,
        "type": "struct",
        "struct": describe(block, sends, shape),
        "size": block.size,
    }
    if match := _ELEMENT.match(block.field):
        document |= {"name": match[1], "index": int(match[2])}
    return document


def _describe_leaf(leaf: Leaf, shape: Shape | None) -> dict[str, Any]:
    name = leaf.field.rpartition(".")[2]
    if shape is not None and (known := shape(leaf)):
        return {"name": name, "type": known[0], "size": known[1]}
    if leaf.unused:
        return {"name": name, "type": "unused_buffer", "size": leaf.size}
    element = leaf.size // leaf.count if leaf.count else leaf.size
    if leaf.members or element not in _INTEGER_TYPES:
        return {"name": name, "type": "buffer", "size": leaf.size}
    entry: dict[str, Any] = {"name": name, "type": _INTEGER_TYPES[element], "size": element}
    if leaf.count != 1:
        entry["array_len"] = leaf.count
    return entry


# --- What one release's dump tells and another's does not -----------------------------------------


def reconcile(first: Description, second: Description) -> tuple[Description, Description]:
    """Both descriptions, with gaps of one filled from the other's view of the same field.

    An unknown element count becomes the partner's. A conditional field is taken to exist where
    the partner has it unconditionally; where both are conditional, or the partner has none, it
    stays conditional (and is then left out). Fields are matched by name and place.
    """
    return remembered(
        ("reconcile", id(first), id(second)), (first, second), lambda: _reconcile(first, second)
    )


def _reconcile(first: Description, second: Description) -> tuple[Description, Description]:
    if first is second or first == second:
        return first, first
    left, right = list(first.fields), list(second.fields)
    for i, j in _matches(left, right):
        left[i], right[j] = _reconcile_field(left[i], right[j])
    left_subs, right_subs = list(first.subsections), list(second.subsections)
    for i, j in _matches(left_subs, right_subs):
        if left_subs[i].name == right_subs[j].name:
            left_subs[i], right_subs[j] = _reconcile(left_subs[i], right_subs[j])
    return (
        replace(first, fields=tuple(left), subsections=tuple(left_subs)),
        replace(second, fields=tuple(right), subsections=tuple(right_subs)),
    )


def _matches(
    left: Sequence[Field | Description], right: Sequence[Field | Description]
) -> list[tuple[int, int]]:
    """Pairs of indexes: equal names in order, and replaced stretches of equal length."""
    matcher = difflib.SequenceMatcher(
        None, [item.name for item in left], [item.name for item in right], autojunk=False
    )
    pairs = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal" or (tag == "replace" and i2 - i1 == j2 - j1):
            pairs += list(zip(range(i1, i2), range(j1, j2), strict=True))
    return pairs


def _reconcile_field(left: Field, right: Field) -> tuple[Field, Field]:
    left, right = _share_count(left, right), _share_count(right, left)
    if left.name == right.name and left.conditional != right.conditional:
        left, right = replace(left, conditional=False), replace(right, conditional=False)
    if left.struct is not None and right.struct is not None:
        a, b = _reconcile(left.struct, right.struct)
        left, right = replace(left, struct=a), replace(right, struct=b)
    return left, right


def _share_count(item: Field, partner: Field) -> Field:
    """``item`` with the count that the partner tells, or that the partner's size implies."""
    if item.count is not None:
        return item
    if partner.count is not None and (item.size == partner.size or item.struct is not None):
        return replace(item, count=partner.count)
    # The place of a field that one release dropped: its gap is as long as the field was.
    gap = partner.struct is None and item.struct is None and partner.name == UNUSED
    total = partner.size * (1 if partner.count is None else partner.count)
    if gap and item.size and total > item.size and total % item.size == 0:
        return replace(item, count=total // item.size)
    return item


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a conditional field exists: a feature's gate tells, where a feature is recorded."""

    section: str
    field: str
    present: bool


def decide(description: Description, decisions: frozenset[Decision]) -> Description:
    """The description with the conditional fields that ``decisions`` name settled."""
    if not decisions:
        return description
    return remembered(
        ("decide", id(description), decisions),
        (description,),
        lambda: _decide(description, decisions, "", description.name),
    )


def _decide(
    description: Description, decisions: frozenset[Decision], prefix: str, section: str
) -> Description:
    fields = []
    for item in description.fields:
        label = prefix + item.name
        settled = item
        if item.conditional:
            verdicts = {
                decision.present
                for decision in decisions
                if decision.section == section and names_field(decision.field, label)
            }
            if verdicts == {False}:
                continue
            if verdicts:
                settled = replace(settled, conditional=False)
        if settled.struct is not None:
            nested = _decide(settled.struct, decisions, f"{label}.", section)
            settled = replace(settled, struct=nested)
        fields.append(settled)
    subsections = tuple(
        _decide(item, decisions, prefix, item.name) for item in description.subsections
    )
    return replace(description, fields=tuple(fields), subsections=subsections)


def names_field(reference: str, label: str) -> bool:
    """Does ``reference`` name the field at ``label``, or a structure that holds it?

    ``divider`` and ``state.divider`` both name ``state.divider``; ``fifo`` names ``fifo.data``.
    Indexes do not count: ``timers.period`` names ``timers[2].period``.
    """
    bare = re.sub(r"\[\d+\]|#\d+", "", label)
    wanted = re.sub(r"\[\d+\]|#\d+", "", reference)
    return f".{wanted}." in f".{bare}."


def section_of(description: Description) -> Section:
    """The main section of a description, laid out once however often it is asked for."""
    return remembered(("section", id(description)), (description,), lambda: Section(description))


_memory: dict[Hashable, tuple[tuple[object, ...], Any]] = {}


def remembered(key: Hashable, alive: tuple[object, ...], compute: Callable[[], _T]) -> _T:
    """A cache by identity: comparing whole descriptions would cost as much as the work saved.

    ``alive`` keeps the objects whose ids are in the key from being replaced by others.
    """
    found = _memory.get(key)
    if found is not None:
        value: _T = found[1]
        return value
    if len(_memory) >= MAX_CACHED:
        _memory.clear()
    computed = compute()
    _memory[key] = (alive, computed)
    return computed
