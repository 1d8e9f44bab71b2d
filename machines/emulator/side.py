"""One end of a migration as it is asked for: a release, a machine type, and what was set there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from machines.emulator.catalogue import Catalogue
from machines.emulator.errors import EmulatorError
from machines.emulator.features import FeatureSpec
from machines.emulator.qdev import Global, compat_globals

#: (device, section): a section's name, its path within the device, or None for the main one.
SectionKey = tuple[str, str | None]


class TrialError(EmulatorError):
    """The trial cannot be held as asked: the caller's input is at fault."""


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a migration.

    ``globals`` hold the policy's and the user's entries and the blacklist bitmaps as properties.
    Where none of them is of layer ``compat``, the catalogue's compat properties of
    ``machine_type`` apply first. ``savevm_versions`` is what the monitor's ``set-savevm-version``
    was told: (device, section or None for the main one) → (version, force); version 0 of a
    subsection leaves it out. ``device_globals`` are the user's entries for single devices, by
    their place among the board's (``-device DRIVER,PROPERTY=VALUE``).
    """

    label: str
    catalogue: Catalogue
    machine_type: str
    globals: tuple[Global, ...] = ()
    features: tuple[FeatureSpec, ...] = ()
    savevm_versions: Mapping[SectionKey, tuple[int, bool]] = field(default_factory=dict)
    device_globals: Mapping[int, tuple[Global, ...]] = field(default_factory=dict)

    def of_device(self, place: int) -> Side:
        """The side as one of its devices sees it: that one's entries hold for its whole type."""
        return replace(
            self,
            globals=self.all_globals() + self.device_globals.get(place, ()),
            device_globals={},
        )

    def all_globals(self) -> tuple[Global, ...]:
        """Every entry that applies, the machine type's compat properties first."""
        machine = self.catalogue.machine_types.get(self.machine_type)
        if machine is None or any(entry.layer == "compat" for entry in self.globals):
            return self.globals
        return compat_globals(machine.compat, self.machine_type) + self.globals
