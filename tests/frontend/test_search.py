"""Search over everything."""

import pytest
from django.test import Client
from django.urls import reverse

from policy.models import Comment
from tests.policy.policy_world import World, person

pytestmark = pytest.mark.django_db


def found(client: Client, words: str) -> str:
    return client.get(reverse("search"), {"q": words}).text


def test_names_find_releases_machine_types_devices_and_changes(client: Client) -> None:
    world = World()
    change = world.change()
    client.force_login(world.reviewer)
    assert "/releases/down/1.2/" in found(client, "down 1.2")
    assert "/releases/up/2.0/devices/foo/" in found(client, "fo")
    assert "/machine-types/pc-q35-1.0/" in found(client, "q35-1.0")
    assert f"#{change.pk} A change" in found(client, "A change")
    assert f"#{change.pk} A change" in found(client, f"#{change.pk}")
    assert "Nothing has such a name" in found(client, "zzz")


def test_properties_and_sections_lead_to_their_device(client: Client) -> None:
    world = World()
    client.force_login(world.reviewer)
    device = "/releases/up/2.0/devices/foo/"
    assert f'href="{device}#device-properties">foo.speed<' in found(client, "foo.speed")
    assert f'href="{device}">foo</a> <span class="muted">foo<' in found(client, "foo")


def test_what_several_releases_have_is_one_hit_that_stays_with_the_release(client: Client) -> None:
    world = World()
    client.force_login(world.reviewer)
    client.get("/releases/up/1.0/devices/")
    page = found(client, "foo")
    assert page.count('class="mono" data-row-link href="/releases/up/1.0/devices/foo/">') == 2
    assert '>foo</a> <span class="muted">up 1.0 +1<' in page


def test_comments_are_found_once_they_are_published(client: Client) -> None:
    world = World()
    change = world.in_review()
    client.force_login(world.reviewer)
    client.post(
        reverse("threads", args=[change.pk]), {"text": "Does the older one carry this already?"}
    )
    draft = Comment.objects.get()
    assert f"#comment-{draft.pk}" in found(client, "carry")
    client.force_login(world.maintainer)
    assert f"#comment-{draft.pk}" not in found(client, "carry")


def test_people_are_found_and_have_a_page(client: Client) -> None:
    world = World()
    change = world.change()
    client.force_login(world.reviewer)
    address = reverse("person", args=[world.maintainer.username])
    assert address in found(client, world.maintainer.username)
    page = client.get(address).text
    assert f"#{change.pk} A change" in page
    person("stranger")
    assert client.get(reverse("person", args=["stranger"])).status_code == 404


def test_the_box_gets_options(client: Client) -> None:
    client.force_login(World().reviewer)
    part = client.get(reverse("search"), {"q": "foo"}, headers={"HX-Request": "true"}).text
    assert 'role="option"' in part
    assert "<html" not in part


def test_strangers_find_nothing(client: Client) -> None:
    World().change()
    client.force_login(person("stranger"))
    assert "Nothing has such a name" in found(client, "foo")


def test_it_asks_a_constant_number_of_queries(
    client: Client, django_assert_max_num_queries
) -> None:
    client.force_login(World().maintainer)
    with django_assert_max_num_queries(22):
        found(client, "oo")


def test_a_single_letter_finds_names_but_not_what_there_is_too_much_of(client: Client) -> None:
    client.force_login(World().maintainer)
    page = found(client, "f")
    assert ">foo</a>" in page
    assert "foo.speed" not in page
