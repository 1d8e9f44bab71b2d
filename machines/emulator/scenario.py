"""The scenario that this project began with, as catalogues to try policies on.

A device ``foo`` has the features A, B and C. Upstream 2.0 adds D, upstream 3.0 adds E. A
downstream stays on 1.0 and takes E alone. The same history in two styles:

``linear``
    each feature bumps the one section's version: upstream's version 2 carries D, the
    downstream's version 2 carries E. Same section, same version, other layout: nobody refuses,
    and D's state is read as E's.
``sections``
    each feature has a section of its own (``foo.d``, ``foo.e``): what a side does not know it
    refuses by name, and machines that use E alone migrate both ways.

Two machine types exist in every release: ``board-2.0`` has D and not E, ``board-e`` has E and
not D. Compat properties switch the features, where a release has them.

    >>> from machines.emulator.machine import trial
    >>> trial([upstream("linear", "2.0", "board-2.0"), downstream("linear", "board-2.0")],
    ...       ["foo"], seed=1).outcome
    'corrupt'
    >>> trial([upstream("sections", "3.0", "board-e"), downstream("sections", "board-e")],
    ...       ["foo"], seed=1).outcome
    'correct'
"""

from __future__ import annotations

from typing import Literal

from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)
from machines.emulator.features import Carrier, FeatureSpec, Gate
from machines.emulator.machine import Side

Style = Literal["linear", "sections"]
STYLES: tuple[Style, ...] = ("linear", "sections")
MACHINE_TYPES = ("board-2.0", "board-e")

#: Release → the features it added to A, B and C, in the order in which it took them.
UPSTREAM: dict[str, tuple[str, ...]] = {"1.0": (), "2.0": ("d",), "3.0": ("d", "e")}
DOWNSTREAM: tuple[str, ...] = ("e",)

_TYPES: dict[str, str | None] = {"object": None, "device": "object", "foo": "device"}
_BASE = tuple(Field(name, 4) for name in ("a", "b", "c"))
_SWITCHED_OFF = {"board-2.0": "e", "board-e": "d"}


def upstream(style: Style, version: str, machine_type: str) -> Side:
    """A machine of upstream 1.0, 2.0 or 3.0. Raises KeyError for any other version."""
    return _side(f"upstream {version}", style, version, UPSTREAM[version], machine_type)


def downstream(style: Style, machine_type: str) -> Side:
    """A machine of the downstream: 1.0 with E alone."""
    return _side("downstream 1.0", style, "1.0", DOWNSTREAM, machine_type)


def _side(
    label: str, style: Style, version: str, added: tuple[str, ...], machine_type: str
) -> Side:
    catalogue = Catalogue(
        version=version,
        types=_TYPES,
        descriptions={"foo": _DESCRIBE[style](added)},
        properties={"foo": {name: PropertyInfo(name, "bool", True) for name in added}},
        machine_types={name: _machine_type(name, added) for name in MACHINE_TYPES},
    )
    features = tuple(
        FeatureSpec(
            slug=f"foo-{name}",
            title=f"Feature {name.upper()}",
            device="foo",
            carriers=(_carrier(style, name, position),),
            gate=Gate("foo", name, "on"),
        )
        for position, name in enumerate(added)
    )
    return Side(label, catalogue, machine_type, features=features)


def _machine_type(name: str, added: tuple[str, ...]) -> MachineType:
    off = _SWITCHED_OFF[name]
    compat = (CompatProperty("foo", off, "off"),) if off in added else ()
    return MachineType(name, compat=compat, compat_source="query-machines" if compat else "")


def _linear(added: tuple[str, ...]) -> Description:
    fields = tuple(Field(name, 4, version_id=2 + i) for i, name in enumerate(added))
    return Description("foo", 1 + len(added), 1, _BASE + fields)


def _sections(added: tuple[str, ...]) -> Description:
    own = tuple(Description(f"foo.{name}", 1, 1, (Field(name, 4),)) for name in added)
    return Description("foo", 1, 1, _BASE, own)


_DESCRIBE = {"linear": _linear, "sections": _sections}


def _carrier(style: Style, name: str, position: int) -> Carrier:
    if style == "linear":
        return Carrier("foo", version=2 + position, fields=(name,))
    return Carrier(f"foo/foo.{name}", subsection=True)
