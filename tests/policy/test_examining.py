"""A change request's findings: its draft against the releases that are known, with its waivers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from policy_world import MACHINES, World, arrays, release

from policy import edits
from policy.document import Waiver
from policy.findings import Finding
from policy.review import examining, workflow

pytestmark = pytest.mark.django_db
NEWEST, OLDER = MACHINES


@pytest.fixture
def world() -> World:
    return World()


def codes(found: tuple[examining.CheckedFinding, ...]) -> list[str]:
    return [item.finding.code for item in found]


def test_a_draft_is_compared_with_what_is_published_of_its_release(world: World) -> None:
    world.published()
    change = world.change()
    assert examining.findings_of(change) == ()
    change = edits.change_entry(change, world.maintainer, 1, NEWEST, 0, "7")
    found = examining.findings_of(change)
    assert codes(found) == ["abi-changed", "breaks-shipped"]
    assert [item.blocks for item in found] == [True, False]  # no migration depends on foo.speed


def test_before_its_first_revision_with_what_its_own_sources_say(world: World) -> None:
    change = world.change()
    assert examining.findings_of(change) == ()
    change = edits.remove_entry(change, world.maintainer, 1, OLDER, 0)
    assert "missing-entry" in codes(examining.findings_of(change))


def test_other_releases_of_the_tree_count_without_a_declared_migration(world: World) -> None:
    release("down", "1.1", arrays(), base=world.old)
    change = world.change()
    assert examining.findings_of(change) == ()
    change = edits.change_entry(change, world.maintainer, 1, OLDER, 0, "3")
    partners = {item.finding.partner for item in examining.findings_of(change)}
    assert partners == {"down 1.1"}


def test_a_waiver_holds_for_what_was_found_and_for_nothing_else(world: World) -> None:
    world.published()
    change = edits.change_entry(world.change(), world.maintainer, 1, NEWEST, 0, "7")
    policy = change.policy
    [found] = [item for item in examining.findings_of(change) if item.blocks]
    [(scope, _)] = found.waived
    waiver = Waiver(
        scope[1], scope[2], scope[3], scope[0], found.finding.digest, "why", "2027-01-01"
    )
    waived = replace(policy, waivers=(waiver,))

    def blocking(item: Finding, day: date) -> bool:
        [checked] = examining.checked(waived, [item], day)
        return checked.blocks

    assert not blocking(found.finding, date(2026, 12, 31))
    assert blocking(found.finding, date(2027, 1, 2))
    assert blocking(replace(found.finding, facts=("another",)), date(2026, 12, 31))


def test_asking_again_asks_little(world: World) -> None:
    world.published()
    change = edits.change_entry(world.change(), world.maintainer, 1, NEWEST, 0, "7")
    first = examining.findings_of(change)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert examining.findings_of(change) == first
    assert len(queries) < 20
    assert workflow.blockers(change)
