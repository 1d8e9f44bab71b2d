"""A difference by its objects: each line is about one thing, which an edit of another leaves."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from policy_documents import policies
from policy_world import FEATURE_D, FEATURE_S

from machines.emulator.catalogue import CompatProperty
from policy.document import Backport, CatalogueRef, MachineType, Override, Policy
from policy.document.differences import compare
from policy.document.objects import ChangedObject, bit_of, changed_objects

NAME = "pc-q35-rhel9.0.0"
BASE = Policy(
    "rhel", "9.2", CatalogueRef("upstream 7.2", "ab" * 32), machine_types=(MachineType(NAME),)
)
RELAXED = Override("foo", "foo/foo/s", 0, "relax", "Known.", NAME)


def objects(after: Policy, before: Policy = BASE) -> tuple[ChangedObject, ...]:
    return changed_objects(compare(before, after), (before, after))


def with_entry(value: str) -> Policy:
    return BASE.with_machine_type(MachineType(NAME, entries=(CompatProperty("a", "b", value),)))


@given(policies(), policies())
def test_every_line_is_of_one_object(before: Policy, after: Policy) -> None:
    found = compare(before, after)
    gathered = changed_objects(found, (before, after))
    assert sorted(map(repr, found)) == sorted(
        repr(line) for item in gathered for line in item.lines
    )
    assert len({item.key for item in gathered}) == len(gathered)


def test_a_machine_type_and_its_entries_are_one() -> None:
    grown = replace(with_entry("1"), machine_types=(
        MachineType(NAME, entries=(CompatProperty("a", "b", "1"),)),
        MachineType("pc-new", NAME, (CompatProperty("a", "c", "2"),)),
    ))  # fmt: skip
    told = [(item.kind, item.name, len(item.lines)) for item in objects(grown)]
    assert told == [("machine type", "pc-new", 2), ("machine type", NAME, 1)]


def test_backports_are_told_apart_though_one_title_begins_the_other() -> None:
    longer = replace(FEATURE_S, title=f"{FEATURE_D.title} (foo-d): more")
    taken = tuple(Backport(item, "up 2.0", "c", "", "j") for item in (FEATURE_D, longer))
    assert [item.name for item in objects(replace(BASE, backports=taken))] == ["foo-d", "foo-s"]


def test_an_edit_of_one_object_leaves_the_others_as_they_were() -> None:
    both = replace(with_entry("1"), overrides=(RELAXED,))
    [entry, bit] = objects(both)
    [again, same] = objects(replace(both, machine_types=with_entry("2").machine_types))
    assert (entry.key, bit) == (again.key, same)
    assert entry.digest != again.digest


def test_a_bitmaps_label_names_its_bit() -> None:
    [found] = objects(replace(BASE, overrides=(RELAXED,)))
    assert (found.kind, found.name) == ("device", "foo")
    bit = bit_of(found.lines[0].label)
    assert bit is not None
    assert (bit.section, bit.version, bit.machine_type) == ("foo/foo/s", 0, NAME)
    assert bit_of("something else") is None
