"""One side's devices while a trial runs: their state, and what the policy says of each section."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from machines.emulator import bitmap, vmstate
from machines.emulator.carriers import carries
from machines.emulator.devices.model import Model, Refused
from machines.emulator.devices.platform import Platform
from machines.emulator.features import FeatureSpec
from machines.emulator.layout import Leaf, Section
from machines.emulator.side import Side


@dataclass(slots=True)
class Device:
    """One device of one side: its section, state, and what the policy says of them.

    ``label`` is the driver, numbered where the board has several (``isa-serial#2``), ``instance``
    the number of its section among those of one name. ``recorded`` are the features recorded for
    its type, ``enabled`` the slugs of those that are on. ``blacklists``: property → versions
    (:func:`machines.emulator.bitmap.property_name`). ``versions`` is what ``set-savevm-version``
    was told: section, "" for the main one → (version, force). ``state``: leaf path → bytes; of a
    device with a ``model`` what was last taken from it or loaded into it. A ``stateless`` device
    has no section in the stream.
    """

    driver: str
    label: str
    lineage: tuple[str, ...]
    section: Section
    stateless: bool
    migratable: bool
    instance: int
    recorded: tuple[FeatureSpec, ...]
    enabled: frozenset[str]
    blacklists: dict[str, frozenset[int]]
    versions: dict[str, tuple[int, bool]]
    model: Model | None = None
    state: dict[str, bytes] = field(default_factory=dict)

    def key_of(self, section: Section, keys: Mapping[str, Any]) -> str | None:
        """The key under which ``keys`` has the section: its path, its name, or "" for main."""
        names = [section.path, section.name] + ([""] if section is self.section else [])
        return next((name for name in names if name in keys), None)

    def blacklist(self, section: Section) -> frozenset[int]:
        """The section's effective bitmap."""
        if not self.blacklists:
            return frozenset()
        for name in (section.path, section.name):
            found = self.blacklists.get(bitmap.property_name(self.section.name, name))
            if found is not None:
                return found
        return frozenset()

    def forbids(self, section: Section, version: int | None) -> bool:
        """Is this version blacklisted, or, with None, the section's absence?

        Bit 0 of an optional section means "absent", also where the section's own version is 0.
        """
        if version == 0 and section is not self.section:
            return False
        return (version or 0) in self.blacklist(section)

    def objection(self, section: Section, version: int | None) -> tuple[str, str] | None:
        """Why the section may not be written in this version, or with None not be left out.

        A kind of problem and the reason, None where nothing is said against it.
        """
        name = section.name
        if self.forbids(section, version):
            what = "absence" if version is None else f"version {version}"
            return "blacklisted", f"savevm: {what} of '{name}' is blacklisted"
        low, high = section.minimum_version_id, section.version_id
        if version is not None and not low <= version <= high:
            reason = f"savevm: version {version} of '{name}' is out of range {low} to {high}"
            return "version-out-of-range", reason
        return None

    def told(self, section: Section) -> tuple[int, bool] | None:
        """What ``set-savevm-version`` was told for the section."""
        key = self.key_of(section, self.versions)
        return None if key is None else self.versions[key]

    def features_in(self, section: Section) -> tuple[FeatureSpec, ...]:
        """The recorded features whose state the section carries."""
        return tuple(
            spec
            for spec in self.recorded
            if any(carrier.section in (section.name, section.path) for carrier in spec.carriers)
        )

    def feature_of(self, leaf: Leaf, section: Section) -> tuple[FeatureSpec, ...]:
        """The recorded features that claim the leaf."""
        return tuple(
            spec
            for spec in self.recorded
            if any(carries(carrier, leaf, section) for carrier in spec.carriers)
        )

    def main_version(self) -> int:
        """The version in which the main section is written."""
        return self.version_of(self.section)

    def version_of(self, section: Section) -> int:
        """The version in which a section is written where it is: the one told, else the newest."""
        told = self.told(section)
        return section.version_id if told is None or self.left_out(section) else told[0]

    def carries_enabled(self, section: Section) -> bool:
        """Does an enabled feature live in the section?"""
        return any(spec.slug in self.enabled for spec in self.features_in(section))

    def left_out(self, section: Section) -> bool:
        """Was the monitor told to leave the subsection out?"""
        told = self.told(section)
        return told is not None and told[0] == 0 and section is not self.section

    def is_forced(self, section: Section) -> bool:
        """Was the monitor told to force the section's version?"""
        told = self.told(section)
        return told is not None and told[1]

    def sends(self, section: Section) -> int | None:
        """The version in which a subsection is written now, None where it is not needed."""
        if self.left_out(section) or not self._needed(section):
            return None
        return self.version_of(section)

    def capture(self) -> None:
        """Take the state out of the working device: of every section that it needs."""
        if self.model is None:
            return
        self.model.pre_save()
        self.state = {}
        for section in self.section.walk():
            if section is self.section or self._needed(section):
                self.state |= self.model.capture(section)

    def restore(self, places: Collection[str]) -> None:
        """Put what was loaded into the working device; ``places`` are those of the sections that
        came. Raises :class:`machines.emulator.vmstate.LoadError`."""
        if self.model is None:
            return
        arrived = [section for section in self.section.walk() if section.place in places]
        for section in arrived:
            self.model.restore(section, self.state)
        try:
            self.model.post_load({section.name for section in arrived})
        except Refused as refused:
            name = self.section.name
            raise vmstate.LoadError(refused.kind, refused.reason, name) from refused

    def shape(self, leaf: Leaf) -> tuple[str, int] | None:
        """A leaf's type and size on the wire, where the model knows them."""
        codec = None if self.model is None else self.model.codec(leaf)
        if codec is None or not codec.wire_type:
            return None
        return codec.wire_type, len(self.state.get(leaf.path, b"")) or leaf.size

    def _needed(self, section: Section) -> bool:
        if self.features_in(section):
            if self.carries_enabled(section):
                return True
        elif self.model is not None:
            if self.model.needs(section.name):
                return True
        elif any(path.startswith(section.place) and any(v) for path, v in self.state.items()):
            return True
        return any(self.sends(child) is not None for child in section.current().all_subsections())


@dataclass(slots=True)
class Board:
    """One side of the trial with its devices, in the same order on every side."""

    side: Side
    devices: list[Device | None]
    platform: Platform = field(default_factory=Platform)

    @property
    def works(self) -> bool:
        """Is there a modelled device? Then time and guest memory migrate too."""
        return bool(self.platform.devices)
