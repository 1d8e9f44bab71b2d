"""Proposals recorded many at once: every row is tried, then all are made or none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from policy_world import World, new_catalogue, old_catalogue

from policy.edits import library
from policy.edits.library import Wanted
from policy.errors import Forbidden, Invalid
from policy.models import AuditEntry, Feature
from policy.rules.proposals import Evidence, SwitchedIn, evidence_of, propose

pytestmark = pytest.mark.django_db
FOUND = propose(old_catalogue(), new_catalogue())
WANTED = [Wanted(item.spec, item.spec.slug, item.spec.title) for item in FOUND]


def test_every_row_is_told_what_is_wrong_and_nothing_is_written() -> None:
    world = World()
    twice = [*WANTED, replace(WANTED[0], title="Again"), replace(WANTED[1], slug="No Slug")]
    tried = library.try_all(world.maintainer, world.new, twice)
    assert [bool(item.problem) for item in tried] == [False] * len(WANTED) + [True, True]
    assert {item.field for item in tried[-2:]} == {"slug"}
    assert not Feature.objects.exists()
    assert not AuditEntry.objects.filter(action="record feature").exists()


def test_all_are_recorded_or_none() -> None:
    world = World()
    with pytest.raises(Invalid):
        library.record_all(world.maintainer, world.new, [*WANTED, WANTED[0]])
    assert not Feature.objects.exists()
    made = library.record_all(world.maintainer, world.new, WANTED)
    assert len(made) == Feature.objects.count() == len(FOUND)
    with pytest.raises(Forbidden):
        library.try_all(world.reviewer, world.new, WANTED[:1])


def test_too_many_are_refused_as_a_whole() -> None:
    world = World()
    with pytest.raises(Invalid, match="At most"):
        library.try_all(world.maintainer, world.new, WANTED * library.MAX_AT_ONCE)


def test_evidence_names_fields_and_who_switches_the_property() -> None:
    told = {item.spec.slug: evidence_of(item, new_catalogue()) for item in FOUND}
    assert told["foo-foo-v2"] == Evidence("version", ("d (4 B)",), "", (), 0)
    subsection = told["foo-s"]
    assert (subsection.kind, subsection.fields) == ("subsection", ("s (4 B)",))
    switched = [item for item in told.values() if item.switched_in]
    assert switched[0].switched_in == (SwitchedIn("pc-q35-1.0", "off"),)
    assert "x-s: bool, default on" in switched[0].property
