"""The values that a destination compares with its own, and what it says where they differ.

Most fields are simply taken. These are not: ``… equal`` and ``int32 le``
(migration/vmstate-types.c), a property's value that a device sends along, PCI configuration bytes
that a guest cannot write, and what virtio checks while it loads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from machines.emulator import pci, refusals, virtio
from machines.emulator.snapshot import SentField, SentSection, shows_property
from machines.emulator.suggest import Destination
from machines.emulator.verdict import Kind, Refusal


class Comparison(Protocol):
    """The section that is read: :class:`machines.emulator.reading.Reading`."""

    @property
    def section(self) -> SentSection: ...
    @property
    def destination(self) -> Destination: ...

    def failed(self, leaf: SentField, kind: Kind, reason: str) -> Refusal: ...


#: What is read, the destination's field, the bytes that came, its own.
Check = Callable[[Comparison, SentField, bytes, bytes], Iterator[Refusal]]


def _equal(
    comparison: Comparison, leaf: SentField, incoming: bytes, own: bytes
) -> Iterator[Refusal]:
    if len(incoming) != len(own):
        return
    ours, theirs = int.from_bytes(own, "big"), int.from_bytes(incoming, "big")
    yield comparison.failed(leaf, "equal", refusals.other_value(ours, theirs))


def _property(
    comparison: Comparison, leaf: SentField, incoming: bytes, own: bytes
) -> Iterator[Refusal]:
    ours, theirs = int.from_bytes(own, "big"), int.from_bytes(incoming, "big")
    name = leaf.path.rsplit(".", 1)[-1].replace("_", "-")
    yield comparison.failed(
        leaf, "equal", f"Property '{name}' changed from 0x{theirs:x} to 0x{ours:x}"
    )


def _at_most(
    comparison: Comparison, leaf: SentField, incoming: bytes, own: bytes
) -> Iterator[Refusal]:
    """``int32 le``: not negative, and not above the device's own."""
    theirs = int.from_bytes(incoming, "big", signed=True)
    ours = int.from_bytes(own, "big", signed=True)
    if not 0 <= theirs <= ours:
        yield comparison.failed(
            leaf, "equal", f"Invalid value {theirs} expecting positive value <= {ours}"
        )


def _pci_config(
    comparison: Comparison, leaf: SentField, incoming: bytes, own: bytes
) -> Iterator[Refusal]:
    if len(own) < pci.CONFIG_SIZE or len(incoming) < pci.CONFIG_SIZE:
        return
    difference = pci.first_difference(own, incoming)
    if difference is not None:
        refusal = comparison.failed(leaf, "pci-config", difference.message())
        yield replace(refusal, detail=difference, own=own, incoming=incoming)
    elif len(own) != len(incoming):
        yield comparison.failed(leaf, "layout", "the configuration spaces differ in size")


def _virtio(
    comparison: Comparison, leaf: SentField, incoming: bytes, own: bytes
) -> Iterator[Refusal]:
    try:
        ours = virtio.parse(own)
    except virtio.Malformed:
        return  # another transport: nothing is known of its layout
    destination = comparison.destination
    name = comparison.section.name
    failure = virtio.load(
        replace(ours, queues=destination.queues(name, ours.queues)),
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


_OF_KIND: dict[str, Check] = {
    "int32 le": _at_most,
    "pci config": _pci_config,
    "virtio": _virtio,
}


def check_of(own: SentField) -> Check | None:
    """How a destination checks one of its fields; None where it takes any value."""
    if own.kind in _OF_KIND:
        return _OF_KIND[own.kind]
    if own.kind.endswith(" equal"):
        return _equal
    return _property if shows_property(own) else None
