"""Releases: the list, a new one, and the page of one."""

import pytest
from django.test import Client
from django.urls import reverse

from machines.models import Release
from policy.models import AuditEntry, Role
from tests.policy.policy_world import World, arrays, new_catalogue, person, release

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def world() -> World:
    return World()


def test_search_swaps_only_the_table(client: Client, world: World) -> None:
    client.force_login(world.maintainer)
    response = client.get(reverse("releases"), {"q": "down"}, headers=HTMX)
    assert "down 1.2" in response.text
    assert "<b>up 1.0</b>" not in response.text
    assert "<html" not in response.text
    assert "HX-Request" in response.headers["Vary"]


def test_a_restored_page_of_the_history_is_whole(client: Client, world: World) -> None:
    client.force_login(world.maintainer)
    headers = HTMX | {"HX-History-Restore-Request": "true"}
    assert "<html" in client.get(reverse("releases"), headers=headers).text


def test_the_list_asks_a_constant_number_of_queries(
    client: Client, world: World, django_assert_max_num_queries
) -> None:
    client.force_login(world.maintainer)
    for number in range(40):
        release("up", f"3.{number}", None)
    with django_assert_max_num_queries(17):
        assert "up 3.39" in client.get(reverse("releases"), {"q": "up"}).text


def test_who_may_import_creates_a_release(client: Client, world: World) -> None:
    client.force_login(world.maintainer)
    tree = world.release.tree
    data = {"tree": tree.pk, "version": "1.3", "base": world.old.pk, "stand_in": ""}
    response = client.post(reverse("release-new"), data)
    assert response.url == "/releases/down/1.3/"
    assert Release.objects.get(version="1.3").base == world.old
    assert AuditEntry.objects.filter(actor="maintainer", object_label="down 1.3").exists()


def test_a_release_twice_is_refused_and_what_was_typed_is_kept(
    client: Client, world: World
) -> None:
    client.force_login(world.maintainer)
    response = client.post(
        reverse("release-new"), {"tree": world.release.tree.pk, "version": "1.2"}
    )
    assert response.status_code == 422
    assert 'value="1.2"' in response.text
    assert "already exists" in response.text


def test_no_release_for_a_tree_of_others(client: Client, world: World) -> None:
    client.force_login(world.maintainer)
    data = {"tree": world.old.tree.pk, "version": "9.9"}
    assert client.post(reverse("release-new"), data).status_code == 422
    client.force_login(world.reviewer)
    assert client.get(reverse("release-new")).status_code == 403
    assert not Release.objects.filter(version="9.9").exists()


def test_the_page_shows_revisions_and_open_changes(client: Client, world: World) -> None:
    revision = world.published()
    change = world.change()
    client.force_login(world.reviewer)
    page = client.get(reverse("release", args=["down", "1.2"])).text
    assert revision.digest[:12] in page
    assert f"#{change.pk}" in page
    assert "Edit in a change request" not in page


def test_a_maintainer_is_offered_to_edit(client: Client, world: World) -> None:
    world.change()
    client.force_login(world.maintainer)
    page = client.get(reverse("release", args=["down", "1.2"])).text
    assert "Edit in a change request" in page


def test_a_stand_in_is_warned_of(client: Client, world: World) -> None:
    missing = release("up", "1.5", None)
    release("down", "1.5", arrays(), base=missing, stand_in=world.new)
    client.force_login(world.maintainer)
    page = client.get(reverse("release", args=["down", "1.5"])).text
    assert "stands in for up 1.5, which is not imported" in page.replace("&#x27;", "'")


def test_a_release_without_any_catalogue_says_what_to_do(client: Client, world: World) -> None:
    release("up", "4.0", None)
    client.force_login(world.maintainer)
    response = client.get(reverse("release", args=["up", "4.0"]))
    assert response.status_code == 200
    assert "not imported" in response.text


def test_a_second_snapshot_shows_what_changed(client: Client, world: World) -> None:
    from machines.catalogue import import_catalogue

    import_catalogue(world.old, new_catalogue(), source="again", user=world.maintainer)
    client.force_login(world.maintainer)
    page = client.get(reverse("release", args=["up", "1.0"])).text
    assert "What changed against the snapshot before" in page
    assert "version 1 → 3" in page


@pytest.mark.parametrize(
    "path", ["/releases/down/7.7/", "/releases/no/1.2/", "/releases/down/1.2/?change=999",
             "/releases/down/1.2/?change=x"]
)  # fmt: skip
def test_what_is_not_there_is_not_found(client: Client, world: World, path: str) -> None:
    client.force_login(world.maintainer)
    assert client.get(path).status_code == 404


def test_a_change_of_another_release_is_not_found(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    assert client.get(f"/releases/up/1.0/?change={change.pk}").status_code == 404


def test_who_may_see_nothing_finds_nothing(client: Client, world: World) -> None:
    client.force_login(person("stranger"))
    assert client.get(reverse("release", args=["down", "1.2"])).status_code == 404
    client.force_login(person("viewer", Role.VIEWER))
    assert client.get(reverse("release", args=["down", "1.2"])).status_code == 200
