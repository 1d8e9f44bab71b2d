"""How a description is laid out on the wire: its sections, and the fields of each in order.

A dump does not tell everything that migration/vmstate.c knows. What is made of the gaps:

* The number of elements is unknown in dumps of QEMU before 8.0, and a C predicate decides whether
  a conditional field exists. :mod:`machines.emulator.reconciling` takes both from the other
  release's description of the same field; what stays conditional is left out and named by
  :meth:`Section.left_out`.
* An opaque leaf is sent with its size in C; one of size 0 (a pointer whose length other fields
  tell) with :data:`OPAQUE_BYTES`.
* An array of many structures is sent whole but kept as one leaf, see :data:`MAX_EXPANDED`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from machines.emulator.catalogue.values import Description, Field
from machines.emulator.errors import EmulatorError
from machines.emulator.memo import remembered

OPAQUE_BYTES = 8
#: Arrays of structures with more leaves than this are one leaf.
MAX_EXPANDED = 256
MAX_LEAF_BYTES = 4 * 2**20
MAX_SECTION_BYTES = 8 * 2**20
MAX_NAME_LENGTH = 255
MAX_DEPTH = 32
UNUSED = "unused"


class DescriptionError(EmulatorError):
    """A description is beyond a limit; the message names the section and the field."""


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


def section_of(description: Description) -> Section:
    """The main section of a description, laid out once however often it is asked for."""
    return remembered(("section", id(description)), (description,), lambda: Section(description))
