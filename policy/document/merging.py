"""Three-way merge of policies: mine and theirs, both made from the same base. Pure.

Both sides are laid beside their base thing by thing (a machine type, an entry, an override), and
where both still have the thing, field by field. What only one side touched is taken from it. What
both touched differently is a :class:`MergeConflict`, and somebody chooses: one side, or for a field
that is a value another value altogether (:class:`Typed`).

Whether a side is called mine or theirs makes no difference to what is merged without a conflict. So
two additions at the same place of a list stand in the order of their names. What the fields of each
thing are, :mod:`policy.document.parts` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from machines.emulator.catalogue import CompatProperty
from policy.document.differences import (
    migration_label,
    mitigation_label,
    numbered,
    override_label,
    waiver_label,
)
from policy.document.parts import (
    BACKPORTS,
    DEVICES,
    MACHINE_TYPES,
    MIGRATIONS,
    MITIGATIONS,
    OVERRIDES,
    WAIVERS,
    Kind,
    Part,
    Takes,
    entries_on,
)
from policy.document.values import Policy

Side = Literal["mine", "theirs"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Typed:
    """A value that neither side has. An empty one is a value as well."""

    text: str


Choice = Side | Typed


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """One thing, or one field of one, that both sides changed. A side is empty without it.

    ``path`` is what a choice is given for (``overrides[…].justification``), ``label`` names it for
    people, ``takes`` says what may be typed instead.
    """

    path: str
    label: str
    base: str
    mine: str
    theirs: str
    takes: Takes = ""


@dataclass(frozen=True, slots=True)
class Merge:
    """The merged policy; where there are ``conflicts`` left, it has my side of them.

    ``settled``: what would be conflicts, but for the choices given.
    """

    policy: Policy
    conflicts: tuple[MergeConflict, ...]
    settled: tuple[tuple[MergeConflict, Choice], ...] = ()


def merge(
    base: Policy, mine: Policy, theirs: Policy, choices: Mapping[str, Choice] | None = None
) -> Merge:
    """Merge two policies of one release. ``choices`` settle conflicts by their paths; one that
    types a value where none can be typed settles nothing.

    The catalogue that a policy stands on is no decision: it is taken from ``theirs``.
    """
    sides = base, mine, theirs
    run = _Run(dict(choices or {}), (_uses(base), _uses(mine), _uses(theirs)))
    merged = replace(
        theirs,
        backports=run.items(BACKPORTS, "backports", *(side.backports for side in sides)),
        machine_types=run.items(
            MACHINE_TYPES, "machine_types", *(side.machine_types for side in sides)
        ),
        overrides=run.items(OVERRIDES, "overrides", *(side.overrides for side in sides)),
        mitigations=run.items(MITIGATIONS, "mitigations", *(side.mitigations for side in sides)),
        migrations=run.items(MIGRATIONS, "migrations", *(side.migrations for side in sides)),
        waivers=run.items(WAIVERS, "waivers", *(side.waivers for side in sides)),
        devices=run.devices(base.devices, mine.devices, theirs.devices),
    )
    if run.given_up:
        merged = _without(merged, run.given_up)
    return Merge(merged, tuple(run.conflicts), tuple(run.settled))


def entries_of(policy: Policy) -> Iterator[tuple[str, CompatProperty]]:
    """Every compat entry of machine types and mitigations, with the path of its value."""
    owners: list[tuple[str, str, tuple[CompatProperty, ...]]] = []
    for name, item in numbered(policy.machine_types, MACHINE_TYPES.key).items():
        owners.append(("machine_types", name, item.entries))
    for name, set_by in numbered(policy.mitigations, MITIGATIONS.key).items():
        owners.append(("mitigations", name, set_by.entries))
    for what, owner, entries in owners:
        for label, entry in numbered(entries, entries_on(owner).key).items():
            yield f"{what}[{owner}].entries[{label}]", entry


# --- One merge ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Run:
    """One merge: the choices given, and what was found.

    ``uses``: on each side, what names a thing, by the thing's path. ``given_up``: machine types
    that went although a side began to name them.
    """

    choices: dict[str, Choice]
    uses: tuple[Mapping[str, _Uses], ...]
    conflicts: list[MergeConflict] = field(default_factory=list)
    settled: list[tuple[MergeConflict, Choice]] = field(default_factory=list)
    given_up: set[str] = field(default_factory=set)

    def pick(self, part: Part, path: str, label: str, values: Sequence[Any]) -> Any:
        """The value of the side that changed it; where both did, what was chosen.

        ``values``: base, mine and theirs, as the part has them; None where a side lacks the thing.
        """
        base, mine, theirs = values
        if theirs in (base, mine):
            return mine
        if mine == base:
            return theirs
        conflict = MergeConflict(
            path, label, part.said(base), part.said(mine), part.said(theirs), part.takes
        )
        choice = self.choices.get(path)
        if choice is None or (isinstance(choice, Typed) and not part.takes):
            self.conflicts.append(conflict)
            return mine
        self.settled.append((conflict, choice))
        if isinstance(choice, Typed):
            return (choice.text,)
        return theirs if choice == "theirs" else mine

    def items(self, kind: Kind[_T], path: str, *sides: Iterable[_T]) -> tuple[_T, ...]:
        """Merge lists whose items a key names; the same key again is told apart by its number."""
        named = [numbered(side, kind.key) for side in sides]
        merged = {}
        for name in dict.fromkeys(name for side in named for name in side):
            item = self._item(kind, f"{path}[{name}]", name, [side.get(name) for side in named])
            if item is not None:
                merged[name] = item
        order = self._order(kind.title, path, [list(side) for side in named])
        return tuple(merged[name] for name in order if name in merged)

    def _item(self, kind: Kind[_T], path: str, name: str, sides: Sequence[_T | None]) -> _T | None:
        base, mine, theirs = sides
        if mine is None or theirs is None:
            return self._whole(kind, path, name, sides)
        merged: Any = mine
        for part in kind.parts if mine != theirs else ():
            values = [part.of(side) if side is not None else None for side in (base, mine, theirs)]
            ending, label = f"{path}.{part.name}".rstrip("."), kind.label(name)
            value = self.pick(part, ending, f"{label}: {part.name}".removesuffix(": "), values)
            merged = replace(merged, **part.put(value, sides))
        for attribute, inner in kind.lists(name).items() if mine != theirs else ():
            lists = [getattr(side, attribute, ()) for side in (base, mine, theirs)]
            merged = replace(
                merged, **{attribute: self.items(inner, f"{path}.{attribute}", *lists)}
            )
        found: _T = merged
        return found

    def _whole(self, kind: Kind[_T], path: str, name: str, sides: Sequence[_T | None]) -> _T | None:
        """A thing that a side lacks: the other has added it, or this one has removed it.

        Who begins to name a thing has changed it as well.
        """
        old: _Uses = self.uses[0].get(path, frozenset())
        values = [
            (side, tuple(sorted({words for words, _ in uses.get(path, old) - old})))
            if side is not None
            else None
            for side, uses in zip(sides, self.uses, strict=True)
        ]
        whole = Part("", (), lambda item, uses: "; ".join((kind.words(item), *uses)))
        found = self.pick(whole, path, kind.label(name), values)
        if found is None and any(value is not None and value[1] for value in values):
            self.given_up.add(name)
        item: _T | None = found[0] if found is not None else None
        return item

    def _order(self, title: str, path: str, sides: Sequence[list[str]]) -> list[str]:
        """All names: those that all sides have in the order of the side that moved some, the
        others behind those that they stand behind."""
        shared = set.intersection(*map(set, sides))
        orders = [tuple(name for name in side if name in shared) for side in sides]
        part = Part("", (), lambda *names: ", ".join(names[_alike(orders)]))
        chosen = self.pick(part, f"{path}.order", f"order of {title}", orders)
        runs = [_runs(side, shared) for side in sides[1:]]
        order: list[str] = []
        for place in ("", *chosen):
            order += [place] if place else []
            new = [[name for name in run.get(place, ()) if name not in order] for run in runs]
            order += _woven(*new)
        return order

    def devices(self, *sides: tuple[str, ...]) -> tuple[str, ...]:
        """None means all: who goes there or leaves from there has changed the list as a whole."""
        base, mine, theirs = map(set, sides)
        removed = (base - mine) | (base - theirs)
        if all(sides) and (mine | theirs) - removed:
            return self.items(DEVICES, "devices", *sides)
        every = Part("", (), lambda *names: ", ".join(names) or "all that can migrate")
        return tuple(self.pick(every, "devices", DEVICES.title.removeprefix("the "), sides))


# --- Order ----------------------------------------------------------------------------------------


def _alike(orders: Sequence[tuple[str, ...]]) -> slice:
    """The part of orders of the same names outside which they do not differ."""
    rows = list(zip(*orders, strict=True))
    places = [number for number, row in enumerate(rows) if len(set(row)) > 1]
    return slice(places[0], places[-1] + 1) if places else slice(0)


def _runs(names: Iterable[str], shared: Collection[str]) -> dict[str, list[str]]:
    """A shared name, or "" for the beginning → the names that follow it and are not shared."""
    runs: dict[str, list[str]] = {}
    place = ""
    for name in names:
        if name in shared:
            place = name
        else:
            runs.setdefault(place, []).append(name)
    return runs


def _woven(mine: list[str], theirs: list[str]) -> list[str]:
    """Two runs as one, each in its order; whose they are makes no difference."""
    first, second = sorted((mine, theirs))
    woven = list(first)
    for number, name in enumerate(second):
        if name not in first:
            before = [other for other in second[:number] if other in woven]
            woven.insert(woven.index(before[-1]) + 1 if before else len(woven), name)
    return woven


# --- Things that others name ----------------------------------------------------------------------


#: What names a thing: the words for it, and itself, as one that changed names it anew.
_Uses = frozenset[tuple[str, Any]]


def _uses(policy: Policy) -> dict[str, _Uses]:
    """Path of a machine type → what names it."""
    found: dict[str, set[tuple[str, Any]]] = {}
    labelled: tuple[tuple[str, Iterable[Any], Callable[[Any], str]], ...] = (
        ("override", policy.overrides, override_label),
        ("mitigation", policy.mitigations, mitigation_label),
        ("migration", policy.migrations, migration_label),
        ("waiver", policy.waivers, waiver_label),
    )
    for what, items, label in labelled:
        for item in items:
            use = f"named by the {what} {label(item)}", item
            found.setdefault(item.machine_type, set()).add(use)
    for item in policy.machine_types:
        found.setdefault(item.parent, set()).add((f"{item.name} goes on from it", item))
    return {f"machine_types[{name}]": frozenset(uses) for name, uses in found.items()}


def _without(policy: Policy, names: Collection[str]) -> Policy:
    """The policy without what names these machine types, which it has no more; who went on from
    one goes on from nothing."""
    return replace(
        policy,
        machine_types=tuple(
            replace(item, parent="") if item.parent in names else item
            for item in policy.machine_types
        ),
        overrides=tuple(item for item in policy.overrides if item.machine_type not in names),
        mitigations=tuple(item for item in policy.mitigations if item.machine_type not in names),
        migrations=tuple(item for item in policy.migrations if item.machine_type not in names),
        waivers=tuple(item for item in policy.waivers if item.machine_type not in names),
    )
