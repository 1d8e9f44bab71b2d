"""Edits of a draft: what each does, what it refuses, and that a refusal writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from policy_world import MACHINES, World, arrays, old_catalogue, person, release

from machines.catalogue import import_catalogue
from machines.emulator.catalogue import Catalogue, MachineType
from policy import audit, edits, state
from policy.document.differences import compare
from policy.errors import Conflict, Forbidden, Invalid
from policy.models import AuditEntry, ChangeRequest, Feature, Role
from policy.review import workflow

pytestmark = pytest.mark.django_db
NEWEST, OLDER = MACHINES


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def change(world: World) -> ChangeRequest:
    return world.change()


def do(edit: Callable[..., ChangeRequest], change: ChangeRequest, *args: Any) -> ChangeRequest:
    """The edit by the change's author, at the version the database has."""
    change.refresh_from_db()
    return edit(change, change.author, change.lock_version, *args)


def values(change: ChangeRequest, machine_type: str = NEWEST) -> list[str]:
    found = change.policy.machine_type(machine_type)
    assert found is not None
    return [entry.value for entry in found.entries]


def feature(world: World, slug: str = "foo-s", **changed: Any) -> Feature:
    given: dict[str, Any] = {
        "title": "S",
        "description": "",
        "device": "foo",
        "carriers": [{"section": "foo/foo/s", "subsection": True}],
        "gate": {"driver": "foo", "property": "x-s", "on": "on"},
    }
    return edits.record_feature(world.maintainer, world.new, slug, **given | changed)


# --- Opening --------------------------------------------------------------------------------------


def test_the_first_change_starts_with_the_releases_machine_types(change: ChangeRequest) -> None:
    policy = change.policy
    assert [(m.name, m.parent) for m in policy.machine_types] == [(NEWEST, ""), (OLDER, NEWEST)]
    assert [e.array for e in policy.resolved(OLDER)] == ["pc_down_compat", "hw_compat_down_1_1"]
    assert (policy.base.release, policy.base.stand_in_for) == ("up 1.0", "")
    assert change.digest == policy.digest


def test_a_later_change_starts_from_the_newest_revision(world: World) -> None:
    first = world.published()
    change = world.change()
    assert change.base_revision == first
    assert change.policy.machine_types != ()


def test_the_first_change_starts_from_what_was_seeded_whatever_is_imported_later(
    world: World, change: ChangeRequest
) -> None:
    seeded = change.policy
    do(edits.add_entry, change, NEWEST, "foo", "speed", "9")
    newer = Catalogue("", machine_types={NEWEST: MachineType(NEWEST)})
    import_catalogue(world.release, newer, source="test", user=None)
    change.refresh_from_db()
    assert state.baseline(change) == seeded
    (difference,) = compare(state.baseline(change), change.policy)
    assert (difference.kind, difference.after) == ("added", "9")


def test_a_later_change_is_told_against_its_revision(world: World) -> None:
    first = world.published()
    assert state.baseline(world.change()) == state.policy_of(first)


def test_a_base_that_is_not_imported_is_served_by_its_stand_in(world: World) -> None:
    base = release("up", "1.5", None)
    made = release("down", "1.3", None, base=base, stand_in=world.new)
    policy = edits.open_change(made, world.maintainer, "First").policy
    assert (policy.base.release, policy.base.stand_in_for) == ("up 2.0", "up 1.5")
    assert policy.machine_types == ()


def test_of_two_releases_with_the_same_content_the_base_is_named(world: World) -> None:
    twin = release("up", "0.9", old_catalogue())
    made = release("down", "1.3", None, base=twin)
    change = edits.open_change(made, world.maintainer, "First")
    source = state.draft(change).source
    assert (source.label, source.snapshot.release) == ("up 0.9", twin)
    change = workflow.submit(change, world.maintainer)
    change = workflow.approve(change, world.reviewer, change.digest)
    assert workflow.publish(change, world.manager).snapshot.release == twin
    assert state.catalogue_snapshot(source.snapshot.digest, "up 1.0").release == world.old
    # Another release's serves where the named one's own is not here.
    assert state.catalogue_snapshot(source.snapshot.digest, "up 7").digest == source.snapshot.digest


def test_a_first_policy_promises_the_way_here_and_back(world: World) -> None:
    """From the nearest releases of the tree that are published, back to the one right before."""
    for version in ("1.1", "1.0", "0.9"):
        older = release("down", version, arrays(), base=world.old)
        change = workflow.submit(
            edits.open_change(older, world.maintainer, "As is"), world.maintainer
        )
        change = workflow.approve(change, world.reviewer, change.digest)
        workflow.publish(change, world.manager)
    release("down", "1.1.5", arrays(), base=world.old)  # imported, never published
    declared = world.change().policy.migrations
    assert [(item.source, item.destination, item.expected) for item in declared] == [
        ("down 1.1", "down 1.2", "correct"),
        ("down 1.0", "down 1.2", "correct"),
        ("down 1.2", "down 1.1", "correct"),
    ]


def test_a_release_without_a_catalogue_is_refused(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        edits.open_change(release("down", "9", None), world.maintainer, "First")
    assert caught.value.field == "release"


def test_machine_types_are_seeded_by_name(world: World) -> None:
    made = release("down", "1.4", None, base=world.release)
    change = edits.open_change(made, world.maintainer, "First")
    change = do(edits.seed_machine_types, change, ["pc-q35-down1.0.0"])
    found = change.policy.resolved("pc-q35-down1.0.0")
    assert [entry.value for entry in found] == ["5", "4"]


# --- Who, and when --------------------------------------------------------------------------------


def test_only_a_maintainer_of_the_tree_edits(world: World, change: ChangeRequest) -> None:
    for user in (world.reviewer, world.manager, person("far", Role.MAINTAINER, tree="elsewhere")):
        with pytest.raises(Forbidden):
            edits.add_entry(change, user, 1, NEWEST, "foo", "speed", "1")
        with pytest.raises(Forbidden):
            edits.open_change(world.release, user, "Mine")


def test_an_edit_of_an_older_version_is_a_conflict(change: ChangeRequest) -> None:
    edits.add_entry(change, change.author, 1, NEWEST, "foo", "speed", "1")
    with pytest.raises(Conflict) as caught:
        edits.add_entry(change, change.author, 1, NEWEST, "foo", "speed", "2")
    assert caught.value.current_version == 2
    change.refresh_from_db()
    assert values(change) == ["5", "1"]


@pytest.mark.parametrize("status", ["published", "withdrawn"])
def test_a_closed_change_request_is_not_edited(change: ChangeRequest, status: str) -> None:
    ChangeRequest.objects.filter(pk=change.pk).update(status=status)
    with pytest.raises(Invalid, match="open a new one"):
        do(edits.add_entry, change, NEWEST, "foo", "speed", "1")


def test_an_edit_is_recorded_in_words(change: ChangeRequest) -> None:
    do(edits.change_entry, change, OLDER, 0, "3")
    entry = AuditEntry.objects.latest("id")
    assert entry.action == "change entry"
    assert entry.after["changes"][0]["label"] == f"foo.speed on {OLDER}"
    assert [editor.username for editor in change.editors.all()] == ["maintainer"]
    assert audit.verify() == []


def test_an_edit_that_changes_nothing_writes_nothing(change: ChangeRequest) -> None:
    before = AuditEntry.objects.count()
    edited = do(edits.change_entry, change, NEWEST, 0, "5")
    assert (edited.lock_version, AuditEntry.objects.count()) == (1, before)


# --- Entries and machine types --------------------------------------------------------------------


def test_entries_are_added_moved_changed_and_removed(change: ChangeRequest) -> None:
    do(edits.add_entry, change, NEWEST, "foo", "speed", "1")
    do(edits.add_entry, change, NEWEST, "foo", "speed", "0", 0)
    change = do(edits.move_entry, change, NEWEST, 2, 0)
    assert values(change) == ["1", "0", "5"]
    change = do(edits.change_entry, change, NEWEST, 1, "9")
    assert values(change) == ["1", "9", "5"]
    assert values(do(edits.remove_entry, change, NEWEST, 0)) == ["9", "5"]


def test_a_changed_entry_is_no_longer_its_arrays(change: ChangeRequest) -> None:
    edited = do(edits.change_entry, change, NEWEST, 0, "6").policy.machine_type(NEWEST)
    assert edited is not None
    assert edited.entries[0].array == ""


@pytest.mark.parametrize(
    ("edit", "args", "field"),
    [
        (edits.add_entry, (NEWEST, "foo", "speed", "fast"), "value"),
        (edits.add_entry, (NEWEST, "foo", "speed", "1\n2"), "value"),
        (edits.add_entry, (NEWEST, "foo", "speed", "x" * 1001), "value"),
        (edits.add_entry, (NEWEST, "foo", "speed", "a\0b"), "value"),
        (edits.add_entry, (NEWEST, "", "speed", "1"), "driver"),
        (edits.add_entry, (NEWEST, "foo bar", "speed", "1"), "driver"),
        (edits.add_entry, (NEWEST, "-foo", "speed", "1"), "driver"),
        (edits.add_entry, (NEWEST, "foo", "", "1"), "property"),
        (edits.add_entry, ("pc-q35-9", "foo", "speed", "1"), "machine_type"),
        (edits.add_entry, (NEWEST, "foo", "speed", "1", 5), "position"),
        (edits.change_entry, (NEWEST, 1, "1"), "position"),
        (edits.change_entry, (NEWEST, -1, "1"), "position"),
        (edits.move_entry, (NEWEST, 0, 1), "to"),
        (edits.remove_entry, (NEWEST, 7), "position"),
        (edits.add_machine_type, (NEWEST,), "name"),
        (edits.add_machine_type, ("a b",), "name"),
        (edits.add_machine_type, ("new", "nobody"), "parent"),
        (edits.remove_machine_type, (NEWEST,), "name"),
        (edits.remove_machine_type, ("nobody",), "name"),
        (edits.seed_machine_types, ([],), "names"),
        (edits.edit_description, ("", "text"), "title"),
        (edits.edit_description, ("x" * 201, "text"), "title"),
        (edits.set_override, ("foo", "foo", 1, "relax", "Why."), "action"),
        (edits.set_override, ("foo", "foo", 1, "delete", "Why."), "action"),
        (edits.set_override, ("foo", "foo", 1, "tighten", " "), "justification"),
        (edits.set_override, ("foo", "foo", 2, "tighten", "Why."), "version"),
        (edits.set_override, ("foo", "foo/s", 1, "tighten", "Why."), "section"),
        (edits.set_override, ("bar", "bar", 1, "tighten", "Why."), "device"),
        (edits.set_override, ("big", "big", 5000, "relax", "Why."), "action"),
        (edits.set_override, ("big", "big", 4999, "tighten", "Why."), "action"),
        (edits.set_override, ("foo", "foo", 1, "tighten", "Why.", "nobody"), "machine_type"),
        (edits.clear_override, ("foo", "foo", 1), "version"),
        (edits.remove_backport, ("nothing",), "feature"),
        (edits.add_migration, ("up 1.0", "up 2.0", "correct"), "source"),
        (edits.add_migration, ("down 9.9", "down 1.2", "correct"), "source"),
        (edits.add_migration, ("down 1.2", "nowhere", "correct"), "destination"),
        (edits.add_migration, ("down 1.2", "up 1.0", "corrupt"), "expected"),
        (edits.add_migration, ("down 1.2", "up 1.0", "correct", "nobody"), "machine_type"),
        (edits.remove_migration, (0,), "position"),
        (edits.add_mitigation, ("up 1.0", NEWEST, [], "Why."), "entries"),
        (edits.add_mitigation, ("up 1.0", NEWEST, [("foo", "speed", "x")], "Why."), "entries"),
        (edits.add_mitigation, ("up 1.0", NEWEST, [("foo", "speed", "1")], ""), "reason"),
        (edits.add_mitigation, ("up 9", NEWEST, [("foo", "speed", "1")], "Why."), "started_on"),
        (edits.remove_mitigation, (0,), "position"),
        # What no database holds: NUL, and half a surrogate pair.
        (edits.add_migration, ("down 1.2", "up 1.0\0", "correct"), "destination"),
        (edits.add_mitigation, ("up\0 9", NEWEST, [("foo", "speed", "1")], "Why."), "started_on"),
        (edits.edit_description, ("Title", "\ud800"), "description"),
        (edits.set_override, ("foo", "foo", 1, "tighten", "\0"), "justification"),
        (edits.add_entry, (NEWEST, "foo", "sp\0eed", "1"), "property"),
    ],
)
def test_bad_input_names_its_field_and_writes_nothing(
    change: ChangeRequest, edit: Callable[..., ChangeRequest], args: tuple[Any, ...], field: str
) -> None:
    before = AuditEntry.objects.count()
    with pytest.raises(Invalid) as caught:
        do(edit, change, *args)
    assert caught.value.field == field
    assert str(caught.value)
    change.refresh_from_db()
    assert (change.lock_version, AuditEntry.objects.count()) == (1, before)


def test_a_machine_type_is_added_and_removed(change: ChangeRequest) -> None:
    change = do(edits.add_machine_type, change, "pc-q35-down1.0.0", OLDER, "Old guests.")
    assert len(change.policy.resolved("pc-q35-down1.0.0")) == 2
    change = do(edits.remove_machine_type, change, "pc-q35-down1.0.0")
    assert change.policy.machine_type("pc-q35-down1.0.0") is None


def test_a_machine_type_in_use_stays(change: ChangeRequest) -> None:
    do(edits.add_migration, change, "down 1.2", "up 1.0", "correct", OLDER)
    with pytest.raises(Invalid, match="a migration names it"):
        do(edits.remove_machine_type, change, OLDER)


# --- Bitmaps, backports, migrations, mitigations --------------------------------------------------


def test_an_override_takes_the_place_of_the_one_before(change: ChangeRequest) -> None:
    do(edits.set_override, change, "big", "big", 4999, "relax", "Once.")
    change = do(edits.set_override, change, "big", "big", 4999, "relax", "Again.")
    assert [o.justification for o in change.policy.overrides] == ["Again."]
    assert do(edits.clear_override, change, "big", "big", 4999).policy.overrides == ()


def test_a_backport_brings_the_layout_along(world: World, change: ChangeRequest) -> None:
    change = do(edits.add_backport, change, feature(world), "abc123", "https://t/1", "Needed.")
    (backport,) = change.policy.backports
    assert [graft.section for graft in backport.grafts] == ["foo/foo/s"]
    assert (backport.introduced, backport.commit) == ("up 2.0", "abc123")
    with pytest.raises(Invalid, match="already"):
        do(edits.add_backport, change, Feature.objects.get(), "", "", "Again.")
    assert do(edits.remove_backport, change, "foo-s").policy.backports == ()


def test_a_linear_backport_brings_the_fields_before_it_too(
    world: World, change: ChangeRequest
) -> None:
    carriers = [{"section": "foo", "version": 3, "fields": ["e"]}]
    linear = feature(world, "foo-e", carriers=carriers, gate=None)
    change = do(edits.add_backport, change, linear, "", "", "Needed.")
    (graft,) = change.policy.backports[0].grafts
    assert [f["field"] for f in graft.description["Fields"]] == ["a", "d", "e"]
    assert not graft.description.get("Subsections")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"device": "nothing"}, "device"),
        ({"carriers": [{"section": "foo/none", "subsection": True}]}, "carriers"),
        ({"carriers": [{"section": "foo", "version": 4}]}, "carriers"),
        ({"carriers": [{"section": "foo", "version": 2, "fields": ["z"]}]}, "carriers"),
        ({"carriers": "foo"}, "carriers"),
        ({"gate": {"driver": "foo", "property": "x-none", "on": "on"}}, "gate"),
        ({"gate": {"driver": "foo", "property": "x-s", "on": "perhaps"}}, "gate"),
        ({"gate": {"driver": "foo", "property": "x-s", "on": "\0"}}, "gate"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"title": ""}, "title"),
    ],
)
def test_a_feature_is_what_its_release_shows(
    world: World, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        feature(world, **({"slug": "foo-s"} | changed))
    assert caught.value.field == field
    assert not Feature.objects.exists()


def test_a_feature_has_an_identifier_of_its_own(world: World) -> None:
    feature(world)
    with pytest.raises(Invalid) as caught:
        feature(world)
    assert caught.value.field == "slug"


def test_a_migration_is_declared_once(change: ChangeRequest) -> None:
    change = do(edits.add_migration, change, "down 1.2", "up 1.0", "correct", "", "Backward.")
    with pytest.raises(Invalid, match="already"):
        do(edits.add_migration, change, "down 1.2", "up 1.0", "degraded")
    assert do(edits.remove_migration, change, 0).policy.migrations == ()


def test_a_mitigation_is_added_and_removed(change: ChangeRequest) -> None:
    entries = [("foo", "speed", "1")]
    change = do(edits.add_mitigation, change, "up 1.0", NEWEST, entries, "Shipped broken.", "1.4")
    (mitigation,) = change.policy.mitigations
    assert (mitigation.started_on, mitigation.until) == ("up 1.0", "1.4")
    assert do(edits.remove_mitigation, change, 0).policy.mitigations == ()


def test_a_new_base_catalogue_joins_with_the_next_change(world: World) -> None:
    first = world.published()
    import_catalogue(world.old, old_catalogue(version="1.0.1"), source="test", user=None)
    change = world.change()
    assert change.policy.base.digest != first.snapshot.digest


def test_devices_are_chosen_among_those_that_have_state(change: ChangeRequest) -> None:
    change = do(edits.choose_devices, change, ["foo", "big", "foo"])
    assert change.policy.devices == ("foo", "big")
    with pytest.raises(Invalid) as caught:
        do(edits.choose_devices, change, ["device"])
    assert caught.value.field == "devices"
