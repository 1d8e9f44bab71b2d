"""How a person wants the pages to be: kept at the server, true of every page."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from frontend.models import Preferences
from policy.models import AuditEntry

pytestmark = pytest.mark.django_db
CHOICE = {"theme": "dark", "time_zone": "Europe/Berlin"}


@pytest.fixture
def ada(client: Client) -> User:
    user = User.objects.create_user("ada")
    client.force_login(user)
    return user


def test_by_default_the_system_decides_and_times_are_utc(client: Client, ada: User) -> None:
    page = client.get(reverse("home")).text
    assert "data-bs-theme" not in page
    assert "data-keys" not in page
    assert "Times are in UTC." in page


def test_what_is_chosen_holds_on_every_page(client: Client, ada: User) -> None:
    client.post(reverse("settings"), CHOICE)
    page = client.get(reverse("search")).text
    assert 'data-bs-theme="dark"' in page
    assert 'data-keys="off"' in page
    assert "Times are in Europe/Berlin." in page


def test_a_choice_is_written_down_once(client: Client, ada: User) -> None:
    for _ in range(2):
        client.post(reverse("settings"), CHOICE)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action) == ("ada", "change preferences")
    assert entry.after == {"theme": "dark", "keys": False, "time_zone": "Europe/Berlin"}


def test_the_button_keeps_the_theme_and_nothing_else(client: Client, ada: User) -> None:
    client.post(reverse("settings"), CHOICE | {"keys": "on"})
    assert client.post(reverse("theme"), {"theme": "light"}).status_code == 204
    kept = Preferences.objects.get(user=ada)
    assert (kept.theme, kept.keys, kept.time_zone) == ("light", True, "Europe/Berlin")


@pytest.mark.parametrize("wrong", [{"theme": "pink"}, {"time_zone": "Mars/Olympus"}])
def test_what_there_is_not_is_refused(client: Client, ada: User, wrong: dict[str, str]) -> None:
    assert client.post(reverse("settings"), CHOICE | wrong).status_code == 422
    assert client.post(reverse("theme"), {"theme": "pink"}).status_code == 422
    assert not Preferences.objects.exists()


def test_a_stranger_has_none(client: Client) -> None:
    assert client.post(reverse("theme"), {"theme": "dark"}).status_code == 302
    assert client.post(reverse("settings"), CHOICE).status_code == 302
