"""The overview: what is shown to whom, and at what cost."""

import pytest
from django.test import Client
from django.urls import reverse

from policy.models import PublishedStanding, Role
from tests.policy.policy_world import World, arrays, person, release

pytestmark = pytest.mark.django_db


def test_shows_each_release_with_its_state(client: Client) -> None:
    world = World()
    change = world.change()
    client.force_login(world.maintainer)
    page = client.get(reverse("home")).text
    assert "down 1.2" in page
    assert "up 2.0" in page
    assert f"#{change.pk} A change" in page


def test_a_release_that_relies_on_a_stand_in_says_so(client: Client) -> None:
    world = World()
    missing = release("up", "1.5", None)
    release("down", "1.5", arrays(), base=missing, stand_in=world.new)
    client.force_login(world.maintainer)
    page = client.get(reverse("home")).text
    assert "stand-in" in page
    assert "up 1.5 is not imported" in page


def test_what_waits_is_shown_to_the_reviewer_alone(client: Client) -> None:
    world = World()
    change = world.in_review()
    link = f'<a href="{reverse("change", args=[change.pk])}">#{change.pk} A change</a><div'
    client.force_login(world.reviewer)
    assert link in client.get(reverse("home")).text
    client.force_login(world.manager)
    assert link not in client.get(reverse("home")).text


def test_without_a_role_nothing_is_seen(client: Client) -> None:
    world = World()
    world.change()
    client.force_login(person("stranger"))
    page = client.get(reverse("home")).text
    assert "down 1.2" not in page
    assert "A change" not in page


def test_more_releases_cost_no_more_queries(client: Client, django_assert_max_num_queries) -> None:
    world = World()
    viewer = person("viewer", Role.VIEWER)
    client.force_login(viewer)
    for number in range(20):
        release("down", f"2.{number}", None, base=world.old)
    with django_assert_max_num_queries(15):
        client.get(reverse("home"))


def test_what_is_published_and_fails_or_is_stale_is_counted(client: Client) -> None:
    world = World()
    world.published()
    client.force_login(world.maintainer)
    assert "as promised" in client.get(reverse("home")).text
    PublishedStanding.objects.create(release=world.release, seen="", failing=2, stale=1)
    page = client.get(reverse("home")).text
    assert "2 failing" in page
    assert "1 stale" in page
    assert "around=down%201.2&amp;outcome=failing" in page
