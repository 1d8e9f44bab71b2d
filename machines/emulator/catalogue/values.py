"""What a catalogue consists of: frozen values, equal where they say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a description, as ``-dump-vmstate`` shows it (migration/vmstate-types.c).

    ``size`` is in bytes and is the size of one element in C memory, which for an opaque type is
    not the size on the wire. ``count`` is the number of elements; ``None`` where the dump does not
    tell (QEMU before 8.0 never prints it). ``version_id`` *n* means that the field exists only in
    stream versions ≥ n. ``conditional`` (``field_exists`` in the dump) means that a C predicate
    decides instead.
    """

    name: str
    size: int
    version_id: int = 0
    count: int | None = None
    conditional: bool = False
    struct: Description | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """A VMState description: a section, a subsection or a nested structure."""

    name: str
    version_id: int
    minimum_version_id: int
    fields: tuple[Field, ...] = ()
    subsections: tuple[Description, ...] = ()

    @property
    def unmigratable(self) -> bool:
        """QEMU lets only a non-migratable device have a description without fields (savevm.c)."""
        return not self.fields

    def walk(self) -> Iterator[Description]:
        """This description, then every nested structure's and subsection's, depth first."""
        yield self
        for item in self.fields:
            if item.struct is not None:
                yield from item.struct.walk()
        for subsection in self.subsections:
            yield from subsection.walk()


@dataclass(frozen=True, slots=True)
class PropertyInfo:
    """A qdev property of a type: QAPI ``ObjectPropertyInfo``. ``default`` is None where unknown."""

    name: str
    type: str
    default: Any = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class CompatProperty:
    """One entry (driver, property, value). ``array`` is the C array it came from, where known."""

    driver: str
    property: str
    value: str
    array: str = ""


#: The ``compat_source`` of a list that the release itself told.
TOLD = "query-machines"


@dataclass(frozen=True, slots=True)
class MachineType:
    """A board. ``compat`` is the resolved list in order of application, the later entry wins.

    ``compat_source`` tells where it came from: ``query-machines`` (QEMU ≥ 9.1), ``arrays``
    (composed from the C arrays) or ``""`` when the release tells nothing.
    """

    name: str
    alias: str = ""
    deprecated: bool = False
    is_default: bool = False
    default_cpu_type: str = ""
    compat: tuple[CompatProperty, ...] = ()
    compat_source: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything known of one release.

    ``properties`` holds each property at the highest type where all known descendants agree on it
    (as QEMU declares them), so look one up with :func:`machines.emulator.qdev.properties_of`.
    ``unreadable`` maps a driver to the error that QEMU gave instead of its properties.
    """

    version: str
    package: str = ""
    types: Mapping[str, str | None] = field(default_factory=dict)
    descriptions: Mapping[str, Description] = field(default_factory=dict)
    properties: Mapping[str, Mapping[str, PropertyInfo]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    machine_types: Mapping[str, MachineType] = field(default_factory=dict)
    arrays: Mapping[str, tuple[CompatProperty, ...]] = field(default_factory=dict)
