"""A release as the monitor tells of it: its own files where it has them, in QMP's shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from machines.emulator.catalogue import Catalogue
from machines.emulator.catalogue.checks import expect
from machines.emulator.drivers import lineage_of
from machines.emulator.release import Release

UNKNOWN_VERSION = {"qemu": {"major": 0, "minor": 0, "micro": 0}, "package": ""}


class ToldRelease:
    """A folder of catalogue files. Each is read, and checked, when it is first asked for.

    Raises :class:`machines.emulator.catalogue.CatalogueError`.
    """

    def __init__(self, directory: Path) -> None:
        self._release = Release(directory)

    @cached_property
    def version(self) -> Mapping[str, Any]:
        """The answer to ``query-version``."""
        told: Mapping[str, Any] | None = self._release.document("version")
        return UNKNOWN_VERSION if told is None else told

    @property
    def machines(self) -> Sequence[Mapping[str, Any]]:
        """The answer to ``query-machines``."""
        return self._release.document("machines") or []

    @property
    def types(self) -> Sequence[Mapping[str, Any]]:
        """The answer to ``qom-list-types``: name, parent, and abstract where it is."""
        return self._release.document("types") or []

    @property
    def properties(self) -> Mapping[str, Any]:
        """Driver → its answer to ``device-list-properties``, or {error}."""
        told: Mapping[str, Any] = self._release.document("properties") or {}
        expect(isinstance(told, dict), "properties", "should map drivers to their properties")
        return told

    def catalogue_of(self, drivers: Sequence[str]) -> Catalogue:
        """What a machine with these devices needs of the catalogue."""
        release = self._release
        descriptions = release.all_descriptions if self._release.document("vmstate") else {}
        small = replace(release.catalogue_of(()), descriptions=descriptions)
        needed = sorted({name for driver in drivers for name in lineage_of(small, driver)})
        return replace(
            release.catalogue_of(needed),
            descriptions=descriptions,
            machine_types=release.machine_types,
        )
