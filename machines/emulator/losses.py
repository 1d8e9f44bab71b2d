"""What of the state did not arrive, and whether the policy allows its loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from machines.emulator.board import Device
from machines.emulator.layout import Leaf, Section
from machines.emulator.pairing import Pairing
from machines.emulator.side import SectionKey

SHOWN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Difference:
    """State that is not what it was before the migration.

    ``kind``: ``lost`` (the destination has it in reset or not at all) or ``altered``. ``feature``
    is the slug of the feature it belongs to, where one is recorded. ``allowed_by`` names the
    relaxed bit or the force that allows the loss, empty where nothing does. ``expected`` and
    ``found`` are the first bytes in hex.
    """

    device: str
    section: str
    field: str
    kind: str
    feature: str
    expected: str
    found: str
    allowed_by: str
    hop: int


class Comparison:
    """What of one device's state did not arrive as it was. ``hop`` numbers the migration."""

    def __init__(
        self,
        pairing: Pairing,
        sent: Mapping[str, int],
        relaxed: Mapping[SectionKey, frozenset[int]],
        hop: int,
    ) -> None:
        self.pairing = pairing
        self.sent = sent
        self.relaxed = relaxed
        self.hop = hop

    def differences(self) -> Iterator[Difference]:
        """Every field that was lost or altered, in the order of the source's state."""
        source, destination = self.pairing.source, self.pairing.destination
        image = set()
        for path, value in source.state.items():
            target = self.pairing.target(path)
            image.add(target)
            got = destination.state.get(target)
            in_reset = got is None and not value.strip(b"\0")
            if got == value or in_reset or path in self.pairing.dropped:
                continue
            yield self._difference(source, path, value, got, self._allowed(path))
        for path, got in destination.state.items():
            if path not in image and got.strip(b"\0"):
                yield self._difference(destination, path, bytes(len(got)), got, "")

    def _difference(
        self, device: Device, path: str, expected: bytes, got: bytes | None, allowed_by: str
    ) -> Difference:
        leaf, section = _find(device, path)
        lost = got is None or not got.strip(b"\0")
        claims = device.feature_of(leaf, section)
        return Difference(
            device=device.driver,
            section=section.name,
            field=leaf.field,
            kind="lost" if lost else "altered",
            feature=claims[0].slug if claims else "",
            expected=expected[:SHOWN_BYTES].hex(),
            found="" if got is None else got[:SHOWN_BYTES].hex(),
            allowed_by=allowed_by if lost else "",
            hop=self.hop,
        )

    def _allowed(self, path: str) -> str:
        """The relaxed bit or the force that allows the loss of a leaf; empty where none does."""
        device = self.pairing.source
        leaf, section = _find(device, path)
        for part in device.section.walk():
            if part is not section and not _holds(part, section):
                continue
            version = self.sent.get(part.place, 0)
            if version and (part is not section or leaf.version_id <= version):
                continue  # this version carries the leaf, so it excuses nothing
            if device.told(part) == (version, True):
                return f"forced version {version} of {part.name}"
            if version in self._relaxed(device, part):
                return f"relaxed bit {version} of {part.name}"
        return ""

    def _relaxed(self, device: Device, section: Section) -> frozenset[int]:
        names = {section.path, section.name} | ({None} if section is device.section else set())
        allowed: frozenset[int] = frozenset()
        for (driver, name), versions in self.relaxed.items():
            if driver in device.lineage and name in names:
                allowed |= versions
        return allowed


def _holds(outer: Section, inner: Section) -> bool:
    """Is ``inner`` a subsection somewhere below ``outer``?"""
    return inner.path.startswith(f"{outer.path}/") and inner.prefix.startswith(outer.prefix)


def _find(device: Device, path: str) -> tuple[Leaf, Section]:
    for section in device.section.walk():
        for version in (section.version_id, device.version_of(section)):
            for leaf in section.at(version).leaves:
                if leaf.path == path:
                    return leaf, section
    raise KeyError(path)
