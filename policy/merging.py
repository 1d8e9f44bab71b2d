"""Three-way merge of policies: my draft and their revision, both made from the same base. Pure.

What only one side touched is taken from it. What both touched differently is a conflict, told
thing by thing in the words of :mod:`policy.differences`, and someone has to choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, TypeVar

from policy.differences import (
    backport_label,
    entry_label,
    migration_label,
    mitigation_label,
    numbered,
    override_label,
    waiver_label,
    written,
)
from policy.document import MachineType, Policy

Choice = Literal["mine", "theirs"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """One thing that both sides changed. A side is empty where it removed the thing.

    ``label`` names it, and is what a choice is given for.
    """

    label: str
    base: str
    mine: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Merge:
    """The merged policy; where there are conflicts left, it has my side of them."""

    policy: Policy
    conflicts: tuple[MergeConflict, ...]


def merge(
    base: Policy, mine: Policy, theirs: Policy, choices: Mapping[str, Choice] | None = None
) -> Merge:
    """Merge two policies of one release. ``choices`` settle conflicts by their labels.

    The catalogue that a policy stands on is no decision: it is taken from ``theirs``.
    """
    run = _Run(dict(choices or {}))
    merged = replace(
        theirs,
        backports=run.items(
            base.backports,
            mine.backports,
            theirs.backports,
            backport_label,
            lambda item: item.justification,
        ),
        machine_types=run.machine_types(base, mine, theirs),
        overrides=run.items(
            base.overrides,
            mine.overrides,
            theirs.overrides,
            override_label,
            lambda item: f"{item.action}: {item.justification}",
        ),
        mitigations=run.items(
            base.mitigations,
            mine.mitigations,
            theirs.mitigations,
            mitigation_label,
            lambda item: ", ".join(written(entry) for entry in item.entries),
        ),
        migrations=run.items(
            base.migrations,
            mine.migrations,
            theirs.migrations,
            migration_label,
            lambda item: item.expected,
        ),
        waivers=run.items(
            base.waivers,
            mine.waivers,
            theirs.waivers,
            waiver_label,
            lambda item: f"until {item.expires}: {item.reason}",
        ),
        devices=run.pick(
            "devices that trials exercise", base.devices, mine.devices, theirs.devices, _listed
        ),
    )
    return Merge(merged, tuple(run.conflicts))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "all that can migrate"


@dataclass(slots=True)
class _Run:
    """One merge: the choices given, the conflicts found."""

    choices: dict[str, Choice]
    conflicts: list[MergeConflict] = field(default_factory=list)

    def pick(self, label: str, base: _T, mine: _T, theirs: _T, words: Callable[[_T], str]) -> _T:
        """The side that changed the thing; where both did, the one that was chosen."""
        if theirs in (base, mine):
            return mine
        if mine == base:
            return theirs
        if label not in self.choices:
            self.conflicts.append(MergeConflict(label, words(base), words(mine), words(theirs)))
        return theirs if self.choices.get(label) == "theirs" else mine

    def items(
        self,
        base: Iterable[_T],
        mine: Iterable[_T],
        theirs: Iterable[_T],
        key: Callable[[_T], str],
        words: Callable[[_T], str],
    ) -> tuple[_T, ...]:
        """Merge lists whose items a key names; the same key again is told apart by its number."""
        old, own, other = numbered(base, key), numbered(mine, key), numbered(theirs, key)

        def said(item: _T | None) -> str:
            return words(item) if item is not None else ""

        merged = []
        for name in self._order(list(old), list(own), list(other)):
            item = self.pick(name, old.get(name), own.get(name), other.get(name), said)
            if item is not None:
                merged.append(item)
        return tuple(merged)

    def _order(self, old: list[str], own: list[str], other: list[str]) -> list[str]:
        """All names, in the order of the side that moved some; what is new keeps its place."""
        shared = set(old) & set(own) & set(other)
        before, mine, theirs = (
            tuple(name for name in names if name in shared) for names in (old, own, other)
        )
        chosen = self.pick(f"order of {', '.join(before)}", before, mine, theirs, ", ".join)
        first, second = (own, other) if chosen == mine != theirs else (other, own)
        order = list(first)
        for number, name in enumerate(second):
            if name not in order:
                known = [other for other in second[:number] if other in order]
                order.insert(order.index(known[-1]) + 1 if known else 0, name)
        return order

    def machine_types(self, base: Policy, mine: Policy, theirs: Policy) -> tuple[MachineType, ...]:
        """Merge machine types; one that all have is merged field by field, entry by entry."""
        sides = [{item.name: item for item in p.machine_types} for p in (base, mine, theirs)]
        together = {
            name: self._machine_type(*(side[name] for side in sides))
            for name in sides[1]
            if all(name in side for side in sides)
        }
        # What all three have is settled above: here it counts as changed by nobody.
        settled = [tuple(together.get(name, side[name]) for name in side) for side in sides]
        return self.items(
            settled[0],
            settled[1],
            settled[2],
            lambda item: item.name,
            lambda item: f"{len(item.entries)} entries of its own",
        )

    def _machine_type(
        self, base: MachineType, mine: MachineType, theirs: MachineType
    ) -> MachineType:
        name = base.name
        return MachineType(
            name,
            self.pick(f"parent of {name}", base.parent, mine.parent, theirs.parent, str),
            self.items(
                base.entries,
                mine.entries,
                theirs.entries,
                partial(entry_label, machine_type=name),
                lambda entry: entry.value,
            ),
            self.pick(f"note of {name}", base.note, mine.note, theirs.note, str),
        )
