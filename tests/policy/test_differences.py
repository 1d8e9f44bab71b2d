"""Differences are words, and nothing that the digest covers differs without one."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from policy_documents import policies
from policy_world import FEATURE_S

from machines.emulator.catalogue import CompatProperty
from policy.document import (
    Backport,
    CatalogueRef,
    MachineType,
    Migration,
    Override,
    Policy,
)
from policy.document.differences import Difference, compare

NAME = "pc-q35-rhel9.0.0"
ENTRIES = tuple(CompatProperty("virtio-rng-pci", p, "2", "hw_compat") for p in ("a", "b", "c"))
BASE = Policy(
    "rhel", "9.2", CatalogueRef("upstream 7.2", "ab" * 32), machine_types=(MachineType(NAME),)
)


def with_entries(*entries: CompatProperty) -> Policy:
    return BASE.with_machine_type(MachineType(NAME, entries=entries))


def test_a_changed_value_names_property_and_machine_type() -> None:
    after = CompatProperty("virtio-rng-pci", "b", "0", "hw_compat")
    changed = (ENTRIES[0], after, ENTRIES[2])
    assert compare(with_entries(*ENTRIES), with_entries(*changed)) == (
        Difference(
            "Compat properties",
            f"virtio-rng-pci.b on {NAME}",
            "changed",
            "2",
            "0",
            "from hw_compat",
        ),
    )


def test_a_moved_entry_is_one_difference() -> None:
    (found,) = compare(with_entries(*ENTRIES), with_entries(*ENTRIES[1:], ENTRIES[0]))
    assert (found.kind, found.before, found.after) == ("moved", "position 1", "position 3")
    assert found.label == f"virtio-rng-pci.a on {NAME}"


def test_added_and_removed_entries() -> None:
    (added,) = compare(with_entries(*ENTRIES[:2]), with_entries(*ENTRIES))
    assert (added.kind, added.before, added.after) == ("added", "", "2")
    (removed,) = compare(with_entries(*ENTRIES), with_entries(*ENTRIES[:2]))
    assert (removed.kind, removed.before, removed.after) == ("removed", "2", "")


def test_the_same_property_twice_is_told_apart() -> None:
    (found,) = compare(with_entries(ENTRIES[0]), with_entries(ENTRIES[0], ENTRIES[0]))
    assert found.label == f"virtio-rng-pci.a on {NAME} (no. 2)"


def test_decisions_read_as_sentences() -> None:
    after = replace(
        BASE,
        backports=(Backport(FEATURE_S, justification="Customers ask."),),
        overrides=(Override("foo", "foo", 2, "relax", "Old guests.", NAME),),
        migrations=(Migration("rhel 9.2", "rhel 9.3", "degraded"),),
    )
    found = {item.label: (item.after, item.note) for item in compare(BASE, after)}
    assert found["S (foo-s)"] == ("for foo", "Customers ask.")
    assert found["S (foo-s): gate"] == ("foo.x-s=on", "")
    assert found[f"foo version 2 of foo on {NAME}"] == ("relaxed: allowed", "Old guests.")
    assert found["rhel 9.2 → rhel 9.3"] == ("degraded", "")


def test_all_of_the_first_policy_is_new() -> None:
    assert {item.kind for item in compare(None, with_entries(*ENTRIES))} == {"added"}


@given(policies(), policies())
def test_two_policies_differ_in_words_iff_their_digests_do(first: Policy, second: Policy) -> None:
    assert compare(first, first) == ()
    assert bool(compare(first, second)) == (first.digest != second.digest)


@given(policies(), st.data())
def test_an_order_is_a_difference_where_it_matters(policy: Policy, data: st.DataObject) -> None:
    shuffled = tuple(data.draw(st.permutations(policy.machine_types)))
    changed = replace(policy, machine_types=shuffled)
    assert bool(compare(policy, changed)) == (policy.digest != changed.digest)
