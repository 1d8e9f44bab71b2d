"""What a tree promises: as its releases suggest, until its administrators say otherwise."""

from __future__ import annotations

import pytest
from policy_world import World, person

from machines.models import Release, Tree
from policy import audit
from policy.errors import Forbidden, Invalid
from policy.models import AuditEntry, Role
from policy.trials import promises
from policy.trials.promises import EVERY, Promises, usual

UPSTREAM = [("5.2", ""), ("7.2", ""), ("10.0", "")]
RHEL = [("8.9", "upstream 6.2"), ("9.2", "upstream 7.2"), ("9.3", "upstream 8.0")]
DEBIAN = [("11", "upstream 5.2"), ("12", "upstream 7.2"), ("13", "upstream 10.0")]


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        (UPSTREAM, Promises(older=EVERY, back=0)),
        (RHEL, Promises(older=2, back=1)),
        (DEBIAN, Promises(older=1, back=0)),
        ([], Promises(older=EVERY, back=0)),
    ],
)
def test_what_is_usual_follows_from_the_releases(
    releases: list[tuple[str, str]], expected: Promises
) -> None:
    assert usual(releases) == expected


def ways(held: Promises, label: str, *older: str) -> list[str]:
    return [f"{item.source} > {item.destination}" for item in held.migrations(label, older)]


def test_guests_come_from_the_nearest_and_go_back_within_a_major_release() -> None:
    assert ways(usual(RHEL), "rhel 9.3", "rhel 9.2", "rhel 8.9", "rhel 8.8") == [
        "rhel 9.2 > rhel 9.3",
        "rhel 8.9 > rhel 9.3",
        "rhel 9.3 > rhel 9.2",
    ]
    assert ways(usual(RHEL), "rhel 9.0", "rhel 8.9") == ["rhel 8.9 > rhel 9.0"]


def test_ways_across_major_releases_may_be_closed_or_opened() -> None:
    older = "rhel 9.0", "rhel 8.9"
    assert ways(Promises(5, 5, "none"), "rhel 9.1", *older) == [
        "rhel 9.0 > rhel 9.1",
        "rhel 9.1 > rhel 9.0",
    ]
    assert len(ways(Promises(EVERY, EVERY, "both"), "rhel 9.1", *older)) == 4


@pytest.mark.django_db
def test_an_administrator_sets_it_and_takes_it_back_on_record() -> None:
    world = World()
    tree, head = world.release.tree, person("head", Role.ADMINISTRATOR)
    promises.set_promises(tree, head, Promises(3, 0, "none"))
    assert promises.promises_of(tree) == Promises(3, 0, "none")
    promises.set_promises(tree, head, None)
    assert promises.own_promises(tree) is None
    entries = AuditEntry.objects.filter(action="set promises").order_by("id")
    assert [entry.after for entry in entries] == [{"older": 3, "back": 0, "majors": "none"}, None]
    assert audit.verify() == []


@pytest.mark.django_db
def test_nobody_else_sets_it_and_nothing_impossible_is_set() -> None:
    world = World()
    tree, head = world.release.tree, person("head", Role.ADMINISTRATOR)
    with pytest.raises(Forbidden):
        promises.set_promises(tree, world.maintainer, Promises(1, 1))
    for wrong, field in ((Promises(10, 0), "older"), (Promises(0, -1), "back")):
        with pytest.raises(Invalid) as caught:
            promises.set_promises(tree, head, wrong)
        assert caught.value.field == field
    assert promises.own_promises(tree) is None


@pytest.mark.django_db
def test_a_release_declares_what_its_tree_promises_of_published_ones() -> None:
    world = World()
    tree = world.release.tree
    newer = Release.objects.create(tree=tree, version="1.9", base=world.release.base)
    assert promises.default_migrations(newer) == ()  # none has published a policy
    world.published()
    label = world.release.label
    declared = promises.default_migrations(newer)
    assert {(item.source, item.destination) for item in declared} == {
        (label, newer.label),
        (newer.label, label),
    }
    other = Release.objects.create(tree=Tree.objects.create(name="other"), version="2")
    assert promises.default_migrations(other) == ()
