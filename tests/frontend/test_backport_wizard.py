"""The three steps of a backport, each of which can be left; and proposals recorded in bulk."""

from __future__ import annotations

from dataclasses import asdict

from policy_world import FEATURE_S, World
from signed_in import Login

from policy import edits
from policy.edits import begun
from policy.models import ChangeRequest, Feature

SWAP = {"HX-Request": "true"}


def recorded(world: World) -> Feature:
    carriers = [{**asdict(item), "fields": list(item.fields)} for item in FEATURE_S.carriers]
    gate = asdict(FEATURE_S.gate) if FEATURE_S.gate else None
    about = (FEATURE_S.slug, FEATURE_S.title, "", FEATURE_S.device)
    return edits.record_feature(world.maintainer, world.new, *about, carriers, gate)


def compared(world: World, words: str = "") -> str:
    return f"/features/proposals/?old={world.old.pk}&new={world.new.pk}&q={words}"


def test_a_target_is_an_open_change_or_a_new_one(world: World, login: Login) -> None:
    feature, change = recorded(world), world.change()
    client = login(world.maintainer)
    assert f"/features/{feature.slug}/backport/" in (
        client.get(f"/features/{feature.slug}/").content.decode()
    )
    page = client.get(f"/features/{feature.slug}/backport/").content.decode()
    assert "down 1.2" in page
    assert f'name="change" value="{change.pk}"' in page
    into = client.post(f"/features/{feature.slug}/backport/", {"change": change.pk})
    assert into["Location"] == f"/changes/{change.pk}/backport/?feature={feature.slug}"
    new = client.post(f"/features/{feature.slug}/backport/", {"release": world.release.pk})
    made = ChangeRequest.objects.order_by("-pk")[0]
    assert new["Location"].startswith(f"/changes/{made.pk}/backport/")
    assert made.title == "Backport S"
    assert client.post(f"/features/{feature.slug}/backport/", {}).status_code == 422


def test_what_is_typed_is_come_back_to_from_the_change(world: World, login: Login) -> None:
    feature, change = recorded(world), world.change()
    client = login(world.maintainer)
    address = f"/changes/{change.pk}/backport/{feature.slug}"
    kept = client.post(f"{address}/keep/", {"justification": "Half a sen"}, headers=SWAP)
    assert "you can come back to it" in kept.content.decode()
    assert "Go on with S" in client.get(f"/changes/{change.pk}/").content.decode()
    again = client.get(f"/changes/{change.pk}/backport/?feature={feature.slug}").content.decode()
    assert "Half a sen" in again
    left = client.post(f"{address}/keep/", {"commit": "0123abc"})
    assert left["Location"].endswith("#begun")
    client.post(f"{address}/drop/")
    assert not begun.begun_of(change)


def test_saving_ends_it(world: World, login: Login) -> None:
    feature, change = recorded(world), world.change()
    begun.keep(change, world.maintainer, feature)
    data = {"lock_version": change.lock_version, "commit": "0123abc", "justification": "Needed."}
    client = login(world.maintainer)
    client.post(f"/changes/{change.pk}/backport/?feature={feature.slug}", data)
    change.refresh_from_db()
    assert [item.commit for item in change.policy.backports] == ["0123abc"]
    assert not change.begun.exists()


def test_only_who_edits_goes_these_ways(world: World, login: Login) -> None:
    feature, change = recorded(world), world.change()
    client = login(world.reviewer)
    assert client.get(f"/features/{feature.slug}/backport/").status_code == 403
    assert client.get(compared(world)).status_code == 403
    for action in ("keep", "drop"):
        address = f"/changes/{change.pk}/backport/{feature.slug}/{action}/"
        assert client.post(address, {}).status_code == 403
    assert "Backport it" not in client.get(f"/features/{feature.slug}/").content.decode()


# --- Proposals ------------------------------------------------------------------------------------


def test_proposals_show_their_evidence_and_what_is_recorded(world: World, login: Login) -> None:
    recorded(world)
    page = login(world.maintainer).get(compared(world)).content.decode()
    assert "foo has a new subsection foo/s" in page
    assert "d (4 B)" in page
    assert "foo.x-s: bool, default on" in page
    assert 'value="foo-foo-v2"' in page
    assert 'class="is-recorded"' in page


def test_rows_are_tried_before_any_is_recorded(world: World, login: Login) -> None:
    client = login(world.maintainer)
    sent = {"chosen": ["foo-foo-v2", "foo-foo-v3"], "slug:foo-foo-v3": "foo-foo-v2"}
    tried = client.post(compared(world), {**sent, "do": "record"})
    assert tried.status_code == 422
    page = tried.content.decode()
    assert "1 of 2 cannot be recorded so" in page
    assert "can be recorded</span>" in page
    assert not Feature.objects.exists()
    good = {"chosen": ["foo-foo-v2", "foo-foo-v3"], "title:foo-foo-v2": "State D"}
    assert "All 2 features can be recorded." in client.post(compared(world), good).content.decode()
    assert not Feature.objects.exists()
    assert client.post(compared(world), {**good, "do": "record"}).status_code == 302
    assert Feature.objects.get(slug="foo-foo-v2").title == "State D"


def test_all_that_fit_means_all(world: World, login: Login) -> None:
    client = login(world.maintainer)
    assert client.post(compared(world), {"do": "try"}).status_code == 422
    client.post(compared(world, "version"), {"all": "1", "do": "record"})
    assert {item.slug for item in Feature.objects.all()} == {"foo-foo-v2", "foo-foo-v3"}
