"""The library of features, and a backport from its proposal to the draft."""

from __future__ import annotations

from django.test import Client
from policy_world import World
from signed_in import Login

from policy import edits
from policy.models import ChangeRequest, Feature


def compare(world: World, propose: str = "") -> str:
    return f"?old={world.old.pk}&new={world.new.pk}&q=&propose={propose}"


def record(client: Client, world: World, change: ChangeRequest, **changed: str) -> object:
    data = {"slug": "d-state", "title": "State D", "description": "", **changed}
    address = f"/changes/{change.pk}/backport/record/{compare(world, 'foo-foo-v2')}"
    return client.post(address, data)


def test_a_comparison_proposes_features(world: World, login: Login) -> None:
    client, change = login(world.maintainer), world.change()
    address = f"/changes/{change.pk}/backport/"
    page = client.get(address + compare(world)).content.decode()
    assert "foo version 2 of foo" in page
    assert "foo/s of foo" in page
    chosen = client.get(address + compare(world, "foo-foo-v2")).content.decode()
    assert "Record this proposal as a feature" in chosen
    assert client.get(f"{address}?old=x&new=y").status_code == 200


def test_a_backport_from_the_proposal_to_the_draft(world: World, login: Login) -> None:
    client, change = login(world.maintainer), world.change()
    answer = record(client, world, change)
    assert answer["Location"].endswith("?feature=d-state")  # type: ignore[index]
    page = client.get(f"/changes/{change.pk}/backport/?feature=d-state").content.decode()
    assert "version 1 cannot carry State D: d" in page
    change.refresh_from_db()
    assert change.policy.backports == ()  # looking at what follows saves nothing
    data = {
        "lock_version": change.lock_version,
        "commit": "0123abc",
        "tracker": "https://example.org/1",
        "justification": "A customer needs it.",
    }
    client.post(f"/changes/{change.pk}/backport/?feature=d-state", data)
    change.refresh_from_db()
    assert change.policy.backports[0].commit == "0123abc"
    assert b"State D" in client.get(f"/changes/{change.pk}/").content
    library = client.get("/features/?q=state").content.decode()
    assert "/features/d-state/" in library
    assert f"#{change.pk}" in client.get("/features/d-state/").content.decode()


def test_errors_stand_at_their_fields(world: World, login: Login) -> None:
    client, change = login(world.maintainer), world.change()
    record(client, world, change)
    taken = record(client, world, change, title="Typed with care")
    assert taken.status_code == 422  # type: ignore[attr-defined]
    text = taken.content.decode()  # type: ignore[attr-defined]
    assert "There is a feature" in text or "already exists" in text
    assert "Typed with care" in text
    data = {"lock_version": change.lock_version, "commit": "", "justification": "Long words"}
    answer = client.post(f"/changes/{change.pk}/backport/?feature=d-state", data)
    assert answer.status_code == 422
    assert "This field is required." in answer.content.decode()
    assert "Long words" in answer.content.decode()


def test_a_published_feature_names_its_release(world: World, login: Login) -> None:
    client, change = login(world.maintainer), world.change()
    record(client, world, change)
    feature = Feature.objects.get()
    edits.add_backport(change, world.maintainer, change.lock_version, feature, "", "", "needed")
    world.change = lambda: ChangeRequest.objects.get(pk=change.pk)  # type: ignore[method-assign]
    world.published()
    assert "down 1.2" in client.get("/features/d-state/").content.decode()


def test_only_maintainers_backport(world: World, login: Login) -> None:
    client, change = login(world.reviewer), world.change()
    assert client.get(f"/changes/{change.pk}/backport/").status_code == 403
    assert record(client, world, change).status_code == 403  # type: ignore[attr-defined]
    assert not Feature.objects.exists()
    assert client.get("/features/").status_code == 200


def test_unknown_features_and_proposals(world: World, login: Login) -> None:
    client, change = login(world.maintainer), world.change()
    assert client.get("/features/nonsense/").status_code == 404
    assert client.get(f"/changes/{change.pk}/backport/?feature=nonsense").status_code == 404
    record_address = f"/changes/{change.pk}/backport/record/{compare(world, 'nonsense')}"
    assert client.post(record_address, {"slug": "x", "title": "x"}).status_code == 404
