"""Backports that are begun: kept until they are taken or dropped, and somebody's turn."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from policy_world import FEATURE_S, World

from policy import edits
from policy.edits import begun
from policy.errors import Forbidden, Invalid
from policy.models import AuditEntry, Feature
from policy.review import turns

pytestmark = pytest.mark.django_db


def recorded(world: World) -> Feature:
    spec = FEATURE_S
    carriers = [{**asdict(item), "fields": list(item.fields)} for item in spec.carriers]
    gate = asdict(spec.gate) if spec.gate else None
    about = (spec.slug, spec.title, "", spec.device)
    return edits.record_feature(world.maintainer, world.new, *about, carriers, gate)


def test_what_is_typed_is_kept_and_is_a_turn() -> None:
    world = World()
    change, feature = world.change(), recorded(world)
    begun.keep(change, world.maintainer, feature)
    begun.keep(change, world.other, feature, justification="Half a sen")
    [kept] = begun.begun_of(change)
    assert (kept.justification, kept.begun_by) == ("Half a sen", world.other)
    assert [turn.code for turn in turns.your_turns(world.maintainer)] == ["resume"]
    assert AuditEntry.objects.filter(action="begin backport").count() == 1
    change.refresh_from_db()
    assert change.policy.backports == ()


def test_it_ends_with_the_backport_or_is_dropped() -> None:
    world = World()
    change, feature = world.change(), recorded(world)
    begun.keep(change, world.maintainer, feature)
    begun.drop(change, world.maintainer, feature)
    assert [turn.code for turn in turns.your_turns(world.maintainer)] == ["finish"]
    begun.keep(change, world.maintainer, feature)
    taken = edits.add_backport(change, world.maintainer, 1, feature, "", "", "Needed.")
    assert begun.begun_of(taken) == []
    with pytest.raises(Invalid, match="backported already"):
        begun.keep(taken, world.maintainer, feature)


def test_only_who_edits_begins_one() -> None:
    world = World()
    change, feature = world.change(), recorded(world)
    with pytest.raises(Forbidden):
        begun.keep(change, world.reviewer, feature)
    begun.keep(change, world.maintainer, feature)
    with pytest.raises(Forbidden):
        begun.drop(change, world.reviewer, feature)
