"""What a release consists of as rows of a list: its device types and its machine types.

No database holds these rows: they are made of the release's state, as published or as a draft has
it, the same for the pages and for the API.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property

from frontend.lists.kinds import Rows
from frontend.names import newest_first
from machines.emulator.catalogue import CompatProperty, MachineType
from machines.emulator.layout import described_sections
from machines.emulator.qdev import ancestors, properties_of
from policy import rules
from policy.state import State


class DeviceRow:
    """A device type in the list; what costs something is looked up when a page shows it."""

    def __init__(self, state: State, name: str, overrides: int, backports: int) -> None:
        self._catalogue = state.catalogue
        self._description = state.catalogue.descriptions.get(name)
        self.name = name
        self.overrides = overrides
        self.backports = backports

    @property
    def has_state(self) -> bool:
        return self._description is not None

    @property
    def parent(self) -> str | None:
        return self._catalogue.types.get(self.name)

    @cached_property
    def lineage(self) -> tuple[str, ...]:
        return tuple(ancestors(self._catalogue, self.name))

    @property
    def current(self) -> int | None:
        return self._description.version_id if self._description else None

    @property
    def minimum(self) -> int | None:
        return self._description.minimum_version_id if self._description else None

    @property
    def versions(self) -> str:
        """``1–3``, the versions that its main section reads."""
        if self.current is None:
            return ""
        return (
            str(self.current) if self.current == self.minimum else f"{self.minimum}–{self.current}"
        )

    @cached_property
    def sections(self) -> tuple[str, ...]:
        """The paths of its sections and subsections."""
        if self._description is None:
            return ()
        return tuple(item.path for item in described_sections(self._description))

    @cached_property
    def subsections(self) -> int:
        if self._description is None:
            return 0
        return sum(item.optional for item in described_sections(self._description))

    @cached_property
    def properties(self) -> int:
        return len(properties_of(self._catalogue, self.name))

    @property
    def decided(self) -> int:
        return self.overrides + self.backports


def device_rows(state: State) -> Rows:
    """Every device type of a release, by name."""
    policy = state.policy
    overrides = Counter(item.device for item in policy.overrides) if policy else Counter[str]()
    backports = Counter(item.feature.device for item in policy.backports) if policy else overrides
    names = sorted({*state.catalogue.types, *state.catalogue.descriptions})
    return Rows(DeviceRow(state, name, overrides[name], backports[name]) for name in names)


class MachineTypeRow:
    """A machine type in the list; what costs something is looked up when a page shows it."""

    def __init__(self, state: State, name: str) -> None:
        self._policy = state.policy
        self._decided = state.policy.machine_type(name) if state.policy is not None else None
        self.known = state.catalogue.machine_types.get(name, MachineType(name))
        self.name = name

    @property
    def parent(self) -> str:
        return self._decided.parent if self._decided else ""

    @property
    def alias(self) -> str:
        return self.known.alias or ""

    @property
    def note(self) -> str:
        return self._decided.note if self._decided else ""

    @property
    def own(self) -> int:
        """Entries that it sets itself."""
        return len(self._decided.entries if self._decided else self.known.compat)

    @cached_property
    def entries(self) -> tuple[CompatProperty, ...]:
        """All that it sets, with its parents, in order of application."""
        if self._policy is None or self._decided is None:
            return tuple(self.known.compat)
        return self._policy.resolved(self.name)

    @property
    def total(self) -> int:
        return len(self.entries)

    @property
    def marks(self) -> set[str]:
        """``default``, ``deprecated``, ``alias``: what QEMU says of it."""
        said = {
            "default": self.known.is_default,
            "deprecated": self.known.deprecated,
            "alias": bool(self.known.alias),
        }
        return {name for name, holds in said.items() if holds}

    def sets(self, words: list[str]) -> bool:
        """Does an entry hold all of the words?"""
        lines = (f"{item.driver}.{item.property}={item.value}".lower() for item in self.entries)
        return any(all(word in line for word in words) for line in lines)


def machine_type_rows(state: State) -> Rows:
    """Every machine type of a release, the newest first."""
    return Rows(MachineTypeRow(state, name) for name in newest_first(rules.machine_types(state)))
