"""Search over everything."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.policy.policy_world import World, person

pytestmark = pytest.mark.django_db


def test_names_find_releases_machine_types_devices_and_changes(client: Client) -> None:
    world = World()
    change = world.change()
    client.force_login(world.reviewer)
    url = reverse("search")
    assert "/releases/down/1.2/" in client.get(url, {"q": "down 1.2"}).text
    assert "/releases/up/2.0/devices/foo/" in client.get(url, {"q": "fo"}).text
    assert "/machine-types/pc-q35-1.0/" in client.get(url, {"q": "q35-1.0"}).text
    assert f"#{change.pk} A change" in client.get(url, {"q": "A change"}).text
    assert "Nothing has such a name" in client.get(url, {"q": "zzz"}).text


def test_strangers_find_nothing(client: Client) -> None:
    World().change()
    client.force_login(person("stranger"))
    assert "Nothing has such a name" in client.get(reverse("search"), {"q": "foo"}).text


def test_it_asks_a_constant_number_of_queries(
    client: Client, django_assert_max_num_queries
) -> None:
    client.force_login(World().maintainer)
    with django_assert_max_num_queries(20):
        client.get(reverse("search"), {"q": "o"})
