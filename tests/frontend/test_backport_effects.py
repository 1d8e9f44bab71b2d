"""What follows from a backport: before it is saved, on the change request, and through the API."""

from __future__ import annotations

from dataclasses import asdict, replace

from django.contrib.auth.models import User
from policy_world import FEATURE_D, FEATURE_S, MACHINES, Field, World, arrays, foo, release
from signed_in import Login

from machines.emulator.features import FeatureSpec
from policy import edits
from policy.models import ChangeRequest, Feature

ENTRY = {"machine_type": MACHINES[0], "driver": "foo", "property": "x-s", "value": "off"}


def recorded(world: World, spec: FeatureSpec) -> Feature:
    carriers = [{**asdict(item), "fields": list(item.fields)} for item in spec.carriers]
    gate = asdict(spec.gate) if spec.gate else None
    about = (spec.slug, spec.title, "", spec.device)
    return edits.record_feature(world.maintainer, world.new, *about, carriers, gate)


def sibling(world: World, version: int, *fields: Field) -> None:
    """Release 1.1 of the same tree, with the same machine types and ``foo`` of its own."""
    own = replace(arrays(), descriptions={"foo": foo(version, *fields)}, types={"foo": None})
    release("down", "1.1", own)


def taken(world: World, spec: FeatureSpec) -> ChangeRequest:
    change = world.change()
    feature, version = recorded(world, spec), change.lock_version
    return edits.add_backport(change, world.maintainer, version, feature, "", "", "Needed.")


def effects(login: Login, user: User, change: ChangeRequest) -> dict[str, list[dict[str, object]]]:
    [told] = login(user).get(f"/api/v1/changes/{change.pk}/backports/").json()["results"]
    found: dict[str, list[dict[str, object]]] = told["effects"]
    return found


def test_it_is_told_before_the_backport_is_saved(world: World, login: Login) -> None:
    sibling(world, 1)
    change, feature = world.change(), recorded(world, FEATURE_S)
    address = f"/changes/{change.pk}/backport/?feature={feature.slug}"
    page = login(world.maintainer).get(address).content.decode()
    assert "Older machine types keep their hardware with" in page
    assert "Add the entry" not in page  # there is nothing yet that needs it
    change.refresh_from_db()
    assert change.policy.backports == ()


def test_a_required_entry_is_added_where_it_is_shown(world: World, login: Login) -> None:
    sibling(world, 1)
    change, client = taken(world, FEATURE_S), login(world.maintainer)
    page = client.get(f"/changes/{change.pk}/").content.decode()
    assert "Add the entry foo.x-s=off to pc-q35-down1.2.0" in page
    assert effects(login, world.reviewer, change)["entries"] == [ENTRY]
    data = {"lock_version": change.lock_version, **ENTRY}
    answer = client.post(f"/changes/{change.pk}/backports/entries/add/", data)
    assert answer["Location"].endswith("?tab=changes#backports")
    change.refresh_from_db()
    assert ("foo", "x-s") in {(e.driver, e.property) for e in change.policy.resolved(MACHINES[1])}
    assert effects(login, world.reviewer, change)["entries"] == []
    assert "Add the entry" not in client.get(f"/changes/{change.pk}/").content.decode()


def test_who_may_not_edit_sees_what_follows_and_adds_nothing(world: World, login: Login) -> None:
    sibling(world, 1)
    change, client = taken(world, FEATURE_S), login(world.reviewer)
    page = client.get(f"/changes/{change.pk}/").content.decode()
    assert "Older machine types keep their hardware with" in page
    assert "Add the entry" not in page
    assert "Remove the backport" not in page
    data = {"lock_version": change.lock_version, **ENTRY}
    address = f"/changes/{change.pk}/backports/entries/add/"
    assert client.post(address, data).status_code == 403
    client.logout()
    assert client.get(f"/api/v1/changes/{change.pk}/backports/").status_code == 401


def test_an_entry_that_cannot_be_added_says_why(world: World, login: Login) -> None:
    change, client = taken(world, FEATURE_S), login(world.maintainer)
    address = f"/changes/{change.pk}/backports/entries/add/"
    unknown = {"lock_version": change.lock_version, **ENTRY, "machine_type": "nonsense"}
    assert client.post(address, unknown).status_code == 422
    wrong = {"lock_version": change.lock_version, **ENTRY, "value": "seven"}
    assert client.post(address, wrong).status_code == 422
    before = change.digest
    change.refresh_from_db()
    assert change.digest == before


def test_bitmaps_are_told_by_machine_type(world: World, login: Login) -> None:
    change = taken(world, FEATURE_D)
    [bitmap] = effects(login, world.maintainer, change)["bitmaps"]
    assert (bitmap["section"], bitmap["machine_types"]) == ("foo", list(MACHINES))
    assert (
        "1 bitmap changes" in login(world.reviewer).get(f"/changes/{change.pk}/").content.decode()
    )


def test_a_clashing_layout_leads_to_the_comparison(world: World, login: Login) -> None:
    sibling(world, 2, Field("other", 4, version_id=2))
    change, client = taken(world, FEATURE_D), login(world.maintainer)
    [layout] = effects(login, world.maintainer, change)["layouts"]
    assert layout["theirs"] == ["a", "other"]
    page = client.get(f"/changes/{change.pk}/").content.decode()
    link = f"/compare/?source=change-{change.pk}&amp;destination=down%201.1&amp;machine_type="
    assert link in page
    start = page.index(link)
    address = page[start : page.index('"', start)].replace("&amp;", "&")
    assert client.get(address).status_code == 200


def test_without_backports_there_is_nothing(world: World, login: Login) -> None:
    change, client = world.change(), login(world.reviewer)
    assert client.get(f"/api/v1/changes/{change.pk}/backports/").json()["results"] == []
    assert "Backports of this draft" not in client.get(f"/changes/{change.pk}/").content.decode()


def test_a_backport_from_which_nothing_follows_says_so(world: World, login: Login) -> None:
    bare = release("down", "1.3", replace(arrays(), machine_types={}), base=world.old)
    change = edits.open_change(bare, world.maintainer, "A first change")
    feature, version = recorded(world, FEATURE_D), change.lock_version
    edits.add_backport(change, world.maintainer, version, feature, "", "", "Needed.")
    page = login(world.reviewer).get(f"/changes/{change.pk}/").content.decode()
    assert "Nothing follows from it" in page
    assert effects(login, world.reviewer, change) == {"entries": [], "bitmaps": [], "layouts": []}
