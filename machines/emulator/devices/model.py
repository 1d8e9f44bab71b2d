"""A modelled device: registers that a guest program uses, and state that migrates.

A model is what the device's data sheet or specification says, in the variables that QEMU's device
keeps. It knows nothing of streams: ``fields`` names the variable behind each field of the
release's own description, and this module carries values between the two. So one model serves
every release, whatever order, versions and subsections its description has.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from machines.emulator.catalogue import Catalogue, Description, Field
from machines.emulator.devices.platform import Platform
from machines.emulator.errors import EmulatorError
from machines.emulator.layout import Leaf, Section
from machines.emulator.memo import remembered
from machines.emulator.qdev import FALSE_WORDS, TRUE_WORDS
from machines.emulator.vmstate import ByteReader, LoadError

_INDEX = re.compile(r"\[(\d+)\]")
NOT_PENDING = 2**64 - 1


class Refused(EmulatorError):
    """A value that the device does not take: the message is QEMU's, ``kind`` as in LoadError."""

    def __init__(self, reason: str, kind: str = "layout") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


# --- How a variable is written --------------------------------------------------------------------


def _wrapped(value: int, size: int) -> bytes:
    """The lower ``size`` bytes of a number, big endian."""
    return (int(value) % (1 << 8 * size)).to_bytes(size, "big")


@dataclass(frozen=True, slots=True)
class Codec:
    """How one field is written: an unsigned integer, big endian, of the field's own size.

    A value beyond that size wraps, as in a variable in C: a corrupt state may lead to one.
    ``attribute`` leads to the variable (``fifo.head``) where it has not the field's name.
    ``wire_type`` is the type that a vmdescription names (migration/vmstate-types.c), empty for
    that of the size.
    """

    attribute: str = ""
    wire_type: ClassVar[str] = ""

    def encode(self, value: Any, leaf: Leaf) -> bytes:
        return _wrapped(value, leaf.size)

    def decode(self, raw: bytes, leaf: Leaf) -> Any:
        """The value. Raises :class:`Refused` for one that the destination does not take."""
        return int.from_bytes(raw, "big")

    def measure(self, reader: ByteReader, leaf: Leaf) -> int:
        """How many bytes the field has in the stream, looking ahead without moving."""
        return leaf.size


class Unsigned(Codec):
    """An unsigned integer."""


class Signed(Codec):
    """An integer in two's complement."""

    def decode(self, raw: bytes, leaf: Leaf) -> int:
        return int.from_bytes(raw, "big", signed=True)


class Bytes(Codec):
    """A buffer, kept as a ``bytearray`` of the field's size."""

    wire_type = "buffer"

    def encode(self, value: Any, leaf: Leaf) -> bytes:
        return bytes(value).ljust(leaf.size, b"\0")[: leaf.size]

    def decode(self, raw: bytes, leaf: Leaf) -> bytearray:
        return bytearray(raw)


class Words(Codec):
    """An array of unsigned integers, kept as a list; ``leaf.count`` of them."""

    def encode(self, value: Any, leaf: Leaf) -> bytes:
        width = leaf.size // leaf.count
        return b"".join(_wrapped(word, width) for word in value)

    def decode(self, raw: bytes, leaf: Leaf) -> list[int]:
        width = leaf.size // leaf.count
        return [int.from_bytes(raw[at : at + width], "big") for at in range(0, len(raw), width)]


class Timer(Codec):
    """A timer's deadline in ns of virtual time; None while it is not pending (``put_timer``)."""

    wire_type = "timer"

    def encode(self, value: Any, leaf: Leaf) -> bytes:
        return _wrapped(NOT_PENDING if value is None else value, leaf.size)

    def decode(self, raw: bytes, leaf: Leaf) -> int | None:
        value = int.from_bytes(raw, "big")
        return None if value == NOT_PENDING else value


# --- The device -----------------------------------------------------------------------------------


class Model:
    """Base of every modelled device. Subclasses keep their state in plain attributes.

    ``properties`` are the effective qdev properties as texts (None: the release tells no value),
    ``instance`` numbers devices of one kind on a board, from 0. ``sections`` are the names of all
    sections that the release describes for the device: what it has no section for it cannot do.
    ``driver`` is one of ``drivers``, ``catalogue`` what is known of the release. Raises
    :class:`Refused` where QEMU realizes no device with such properties. A variable may be a Python
    property whose setter raises it too.
    """

    #: The qdev types that this models.
    drivers: ClassVar[tuple[str, ...]]
    #: Field, indexes left out (``state.rbr``, ``channels.count``) → how its variable is written.
    #: A name in brackets before the last dot is a list of parts: ``channels[1].count`` is
    #: ``self.channels[1].count``. A name without brackets is layout alone: ``self.rbr``.
    fields: ClassVar[Mapping[str, Codec]]

    def __init__(
        self,
        platform: Platform,
        properties: Mapping[str, str | None],
        instance: int = 0,
        sections: Collection[str] = (),
        driver: str = "",
        catalogue: Catalogue | None = None,
    ) -> None:
        self.platform = platform
        self.properties = properties
        self.instance = instance
        self.sections = sections
        self.driver = driver or self.drivers[0]
        self.catalogue = catalogue
        self.connect()
        self.reset()

    def twin(self, platform: Platform) -> Self:
        """Such a device on another platform, in the state after power-on."""
        same = (self.properties, self.instance, self.sections, self.driver, self.catalogue)
        return type(self)(platform, *same)

    # Its properties.

    def flag(self, name: str, absent: bool) -> bool:
        """A switch; ``absent`` where the release has no such property or tells no value.

        Raises :class:`Refused`.
        """
        text = self.properties.get(name)
        if text is None:
            return absent
        if text.lower() in TRUE_WORDS | FALSE_WORDS:
            return text.lower() in TRUE_WORDS
        raise self._bad_value(name, text)

    def number(self, name: str, absent: int) -> int:
        """A whole number; ``absent`` as for :meth:`flag`. Raises :class:`Refused`."""
        text = self.properties.get(name)
        try:
            return absent if text is None else int(text, 0)
        except ValueError:
            raise self._bad_value(name, text) from None

    def _bad_value(self, name: str, text: str | None) -> Refused:
        return Refused(f"Property '{self.driver}.{name}' doesn't take value '{text}'")

    # What a device does; a subclass has those that it needs.

    def connect(self) -> None:
        """Listen to the platform's lines, where the device has inputs; once, before reset."""

    def reset(self) -> None:
        """Put every register into its state after power-on."""
        raise NotImplementedError

    def read(self, offset: int, size: int) -> int:
        """A register read by the guest; ``offset`` in bytes from the device's own base."""
        raise NotImplementedError

    def write(self, offset: int, value: int, size: int) -> None:
        """A register written by the guest."""
        raise NotImplementedError

    def deadline(self) -> int | None:
        """When the next timer expires (ns of virtual time), None while none is pending."""
        return None

    def expire(self) -> None:
        """Virtual time has reached :meth:`deadline`."""

    # What migrates.

    @classmethod
    def settle(cls, label: str, item: Field) -> Field | None:
        """What this hardware knows of a field that a dump leaves open: how many elements, which
        size, whether it exists. None for a field that is never sent."""
        return item

    def needs(self, section: str) -> bool:
        """Is the subsection sent in the present state (its ``needed`` function)?"""
        return False

    def pre_save(self) -> None:
        """Before the state is taken."""

    def pre_load(self) -> None:
        """Before a stream is loaded: what an absent subsection leaves behind."""

    def post_load(self, arrived: Collection[str]) -> None:
        """After loading; ``arrived`` are the names of the sections that came.

        Raises :class:`Refused` where QEMU's ``post_load`` refuses."""

    # Between variables and the wire.

    @classmethod
    def settled(cls, description: Description) -> Description:
        """The description with every gap filled that this hardware knows."""
        return remembered(
            ("settled", id(description), cls), (description,), lambda: cls._settled(description, "")
        )

    @classmethod
    def _settled(cls, description: Description, prefix: str) -> Description:
        fields = []
        for item in description.fields:
            label = prefix + _INDEX.sub("", item.name)
            settled = cls.settle(label, item)
            if settled is None:
                continue
            if settled.struct is not None:
                settled = replace(settled, struct=cls._settled(settled.struct, f"{label}."))
            fields.append(settled)
        subsections = tuple(cls._settled(item, prefix) for item in description.subsections)
        return replace(description, fields=tuple(fields), subsections=subsections)

    def capture(self, section: Section) -> dict[str, bytes]:
        """The state of one section without its subsections: leaf path → bytes."""
        return {
            leaf.path: codec.encode(getattr(*self._variable(leaf, codec)), leaf)
            for leaf in section.current().leaves
            if (codec := self.codec(leaf)) is not None
        }

    def restore(self, section: Section, state: MutableMapping[str, bytes]) -> None:
        """Take over what came of a section; a leaf that is not in ``state`` stays as it is.

        Raises :class:`LoadError` for a value that the device does not take.
        """
        for leaf in section.current().leaves:
            codec = self.codec(leaf)
            if codec is None or leaf.path not in state:
                continue
            owner, name = self._variable(leaf, codec)
            try:
                setattr(owner, name, codec.decode(state[leaf.path], leaf))
            except Refused as refused:
                raise LoadError(refused.kind, refused.reason, section.name, leaf.field) from refused

    def codec(self, leaf: Leaf) -> Codec | None:
        """How a leaf is written; None for a gap, and for a field that the model does not know."""
        return None if leaf.unused else self.fields.get(_INDEX.sub("", leaf.field))

    def measure(self, leaf: Leaf, reader: ByteReader) -> int:
        """How many bytes of the stream a leaf takes."""
        codec = self.codec(leaf)
        return leaf.size if codec is None else codec.measure(reader, leaf)

    def _variable(self, leaf: Leaf, codec: Codec) -> tuple[Any, str]:
        """The object that has a leaf's variable, and the variable's name there."""
        *parts, last = leaf.field.split(".")
        owner: Any = self
        for part in parts:
            if match := _INDEX.search(part):
                owner = getattr(owner, part[: match.start()])[int(match[1])]
        *path, name = (codec.attribute or _INDEX.sub("", last)).split(".")
        for part in path:
            owner = getattr(owner, part)
        return owner, name
