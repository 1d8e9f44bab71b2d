"""What holds of every merge: no edit is lost, sides may be swapped, edits apart do not meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_documents import policies, texts

from machines.emulator.catalogue import CompatProperty
from policy.document import (
    CatalogueRef,
    MachineType,
    Migration,
    Mitigation,
    Override,
    Policy,
    Waiver,
)
from policy.document.differences import (
    backport_label,
    compare,
    migration_label,
    mitigation_label,
    override_label,
    waiver_label,
)
from policy.document.merging import Choice, Typed, entries_of, merge

MACHINES = ("m0", "m1", "m2")
DRIVERS = tuple(f"d{number}" for number in range(6))
#: A thing of a policy: what it is, and which one. An edit is about one thing.
Thing = tuple[str, int]
Edit = Callable[[Policy], Policy]
THINGS: tuple[Thing, ...] = tuple(
    (kind, number)
    for kind in ("entry", "override", "migration", "mitigation", "waiver", "note")
    for number in range(3)
)


def base() -> Policy:
    """A policy with a thing of each kind for the numbers 0 and 1; those of number 2 are new."""
    entries = tuple(CompatProperty(driver, "speed", "1", "array") for driver in DRIVERS)
    return Policy(
        "rhel",
        "9.2",
        CatalogueRef("upstream 7.2", "aa"),
        machine_types=tuple(
            MachineType(name, MACHINES[number - 1] if number else "", entries[:2])
            for number, name in enumerate(MACHINES)
        ),
        overrides=tuple(Override("d", "s", number, "relax", "Why.") for number in (0, 1)),
        migrations=tuple(Migration(f"a {number}", "rhel 9.2", "correct") for number in (0, 1)),
        mitigations=tuple(
            Mitigation(f"a {number}", "m0", entries[:1], "Why.") for number in (0, 1)
        ),
        waivers=tuple(
            Waiver(f"a {number}", "b 1", "m0", "f", "aa", "Why.", "2026-12-24") for number in (0, 1)
        ),
    )


LISTS = {
    "override": ("overrides", lambda n, text: Override("d", "s", n, "tighten", text or "x")),
    "migration": (
        "migrations",
        lambda n, text: Migration(f"a {n}", "rhel 9.2", "degraded", "", text),
    ),
    "mitigation": ("mitigations", lambda n, text: Mitigation(f"a {n}", "m0", (), text, text)),
    "waiver": (
        "waivers",
        lambda n, text: Waiver(f"a {n}", "b 1", "m0", "f", "bb", text, "2027-01-31"),
    ),
}


def edit_of(thing: Thing, text: str, is_removal: bool) -> Edit:
    """An edit of that thing: it is added, changed or removed."""
    kind, number = thing
    if kind == "note":
        return lambda policy: policy.with_machine_type(
            replace(_machine(policy, number), note=f"note {text}")
        )
    if kind == "entry":
        return lambda policy: _with_entry(policy, number, text, is_removal)
    name, make = LISTS[kind]
    return lambda policy: _with_item(policy, name, number, make(number, text), is_removal)


def _machine(policy: Policy, number: int) -> MachineType:
    found = policy.machine_type(MACHINES[number])
    assert found is not None
    return found


def _with_entry(policy: Policy, number: int, text: str, is_removal: bool) -> Policy:
    owner = _machine(policy, 0)
    kept = [entry for entry in owner.entries if entry.driver != DRIVERS[number]]
    if not is_removal:
        place = min(number, len(kept))
        kept.insert(place, CompatProperty(DRIVERS[number], "speed", f"2{text}"))
    return policy.with_machine_type(replace(owner, entries=tuple(kept)))


def _with_item(policy: Policy, name: str, number: int, item: Any, is_removal: bool) -> Policy:
    place = {"overrides": lambda i: i.version == number}.get(
        name,
        lambda i: (
            getattr(i, "source", None) == f"a {number}"
            or getattr(i, "started_on", None) == f"a {number}"
        ),
    )
    listed = list(getattr(policy, name))
    at = next((index for index, found in enumerate(listed) if place(found)), len(listed))
    listed[at : at + 1] = [] if is_removal else [item]
    return replace(policy, **{name: tuple(listed)})


@st.composite
def edits_apart(draw: st.DrawFn) -> tuple[list[Edit], list[Edit]]:
    """Two lists of edits, no thing of the one in the other."""
    things = draw(st.lists(st.sampled_from(THINGS), unique=True, min_size=1))
    cut = draw(st.integers(0, len(things)))
    made = [edit_of(thing, draw(texts), draw(st.booleans())) for thing in things]
    return made[:cut], made[cut:]


def made(policy: Policy, edits: list[Edit]) -> Policy:
    for edit in edits:
        policy = edit(policy)
    return policy


def unordered(policy: Policy) -> set[object]:
    """All that a policy says, but in which order."""
    return {
        *policy.overrides,
        *policy.migrations,
        *policy.mitigations,
        *policy.waivers,
        *((item.name, item.parent, item.note) for item in policy.machine_types),
        *entries_of(policy),
    }


@settings(max_examples=50)
@given(edits_apart())
def test_edits_apart_never_meet_and_both_are_there(apart: tuple[list[Edit], list[Edit]]) -> None:
    start = base()
    mine, theirs = (made(start, edits) for edits in apart)
    merged = merge(start, mine, theirs)
    assert merged.conflicts == ()
    both = {(item.label, item.after) for side in (mine, theirs) for item in compare(start, side)}
    assert both == {(item.label, item.after) for item in compare(start, merged.policy)}


@settings(max_examples=50)
@given(edits_apart())
def test_it_makes_no_difference_who_is_called_mine(apart: tuple[list[Edit], list[Edit]]) -> None:
    start = base()
    mine, theirs = (made(start, edits) for edits in apart)
    assert merge(start, mine, theirs).policy == merge(start, theirs, mine).policy


@settings(max_examples=50)
@given(edits_apart())
def test_the_merge_is_what_the_edits_make_in_either_order(
    apart: tuple[list[Edit], list[Edit]],
) -> None:
    start = base()
    first, second = apart
    merged = merge(start, made(start, first), made(start, second)).policy
    for order in (first + second, second + first):
        assert unordered(merged) == unordered(made(start, order))


@settings(max_examples=20)
@given(policies(), policies(), policies())
def test_who_is_chosen_everywhere_loses_nothing(
    start: Policy, mine: Policy, theirs: Policy
) -> None:
    """What is there twice is told apart by its number alone, and so left out here."""
    start, mine, theirs = (replace(once(side), base=start.base) for side in (start, mine, theirs))
    asked = merge(start, mine, theirs).conflicts
    for side, policy in (("mine", mine), ("theirs", theirs)):
        choices: dict[str, Choice] = dict.fromkeys((item.path for item in asked), side)  # type: ignore[arg-type]
        merged = merge(start, mine, theirs, choices).policy
        assert told(start, policy) <= told(start, merged)


LABELS: dict[str, Callable[[Any], str]] = {
    "backports": backport_label,
    "machine_types": lambda item: str(item.name),
    "overrides": override_label,
    "migrations": migration_label,
    "mitigations": mitigation_label,
    "waivers": waiver_label,
}


def once(policy: Policy) -> Policy:
    """The policy with each thing of a name once, and none on a machine type that it has not."""
    values: dict[str, Any] = {
        name: _distinct(getattr(policy, name), label) for name, label in LABELS.items()
    }
    known = {"", *(item.name for item in policy.machine_types)}
    for name in ("overrides", "migrations", "mitigations", "waivers"):
        values[name] = tuple(item for item in values[name] if item.machine_type in known)
    values["mitigations"] = tuple(map(_with_entries_once, values["mitigations"]))
    values["machine_types"] = tuple(map(_with_entries_once, policy.machine_types))
    return replace(policy, **values)


def _with_entries_once(item: Any) -> Any:
    entries = _distinct(item.entries, lambda entry: f"{entry.driver}.{entry.property}")
    return replace(item, entries=entries)


def _distinct(items: tuple[Any, ...], label: Callable[[Any], str]) -> tuple[Any, ...]:
    return tuple({label(item): item for item in items}.values())


def told(before: Policy, after: Policy) -> set[tuple[object, str]]:
    """Every field that differs, and what it is then ("" for none)."""
    old, new = facts(before), facts(after)
    return {(key, new.get(key, "")) for key in {*old, *new} if old.get(key) != new.get(key)}


def facts(policy: Policy) -> dict[object, str]:
    """Every field of every thing, but for the order of lists."""
    found: dict[object, str] = {path: repr(entry.value) for path, entry in entries_of(policy)}
    for name, label in LABELS.items():
        for item in getattr(policy, name):
            for field in fields(item):
                if field.name != "entries":
                    found[name, label(item), field.name] = repr(getattr(item, field.name))
    return found


@settings(max_examples=20)
@given(policies(), policies(), policies(), st.data())
def test_every_conflict_is_settled_by_its_path(
    start: Policy, mine: Policy, theirs: Policy, data: st.DataObject
) -> None:
    asked = merge(start, mine, theirs).conflicts
    assert len({item.path for item in asked}) == len(asked)
    choices: dict[str, Choice] = {
        item.path: data.draw(
            st.sampled_from(["mine", "theirs", *([Typed("x")] if item.takes else [])])
        )
        for item in asked
    }
    merged = merge(start, mine, theirs, choices)
    assert merged.conflicts == ()
    assert [conflict for conflict, _ in merged.settled] == list(asked)


@settings(max_examples=20)
@given(policies(), policies(), policies())
def test_choosing_one_side_everywhere_is_the_other_ones_choice_swapped(
    start: Policy, mine: Policy, theirs: Policy
) -> None:
    mine, theirs = (replace(side, base=start.base) for side in (mine, theirs))
    asked = merge(start, mine, theirs).conflicts
    one = merge(start, mine, theirs, {item.path: "mine" for item in asked})
    other = merge(start, theirs, mine, {item.path: "theirs" for item in asked})
    assert one.policy == other.policy
