"""A workbench for one modelled device: its registers, its lines, and migrating it mid-work."""

from __future__ import annotations

from dataclasses import dataclass

from machines.emulator.board import Device
from machines.emulator.devices.model import Model
from machines.emulator.devices.platform import Platform
from machines.emulator.loading import load_section
from tests.machines.emulator.modelled import device, saved_section


@dataclass(frozen=True, slots=True)
class Bench:
    device: Device

    @property
    def model(self) -> Model:
        assert self.device.model is not None
        return self.device.model

    @property
    def platform(self) -> Platform:
        return self.model.platform

    def put(self, offset: int, *values: int) -> None:
        for value in values:
            self.model.write(offset, value, 1)

    def get(self, offset: int) -> int:
        return self.model.read(offset, 1)

    def line(self, number: int) -> bool:
        return self.platform.lines.get(number, False)

    def subsections(self) -> set[str]:
        """What is sent beside the main section, without the section's own name."""
        saved_section(self.device)
        parts = self.device.section.walk()
        sent = {part.name for part in parts if self.device.sends(part) is not None}
        return {name.partition("/")[2] for name in sent} - {""}

    def migrated(self, release: str = "10.0") -> Bench:
        """The device of another machine that loaded what this one saved."""
        return self.loaded(saved_section(self.device), self.device.section.version_id, release)

    def loaded(self, payload: bytes, version: int, release: str = "10.0") -> Bench:
        """The device of another machine, at the same time, that loaded a section."""
        other = bench(self.device.driver, release)
        other.platform.now = self.platform.now
        other.model.pre_load()
        assert load_section(other.device, version, payload, set()) == 0
        return other


def bench(driver: str, release: str = "10.0") -> Bench:
    return Bench(device(driver, release))
