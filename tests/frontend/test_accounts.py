"""Signing in and out, the lock after too many attempts, one's own password."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from policy.models import AuditEntry

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada", password=PASSWORD)


def sign_in(client: Client, password: str):
    return client.post(reverse("login"), {"username": "ada", "password": password})


def test_without_signing_in_every_page_leads_to_the_login(client: Client) -> None:
    for name in ("home", "releases", "release-new"):
        response = client.get(reverse(name))
        assert response.status_code == 302
        assert response.url.startswith(reverse("login"))


def test_login_goes_on_to_the_page_that_was_asked_for(client: Client, user: User) -> None:
    response = client.post(
        f"{reverse('login')}?next=/releases/", {"username": "ada", "password": PASSWORD}
    )
    assert response.url == "/releases/"


def test_a_wrong_password_is_said_and_the_name_is_kept(client: Client, user: User) -> None:
    response = sign_in(client, "wrong")
    assert "correct username and password" in response.text
    assert 'value="ada"' in response.text


def test_too_many_failures_lock_even_the_right_password_out(client: Client, user: User) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        response = sign_in(client, "wrong")
    assert response.status_code == 429
    assert "Too many failed attempts" in response.text
    assert sign_in(client, PASSWORD).status_code == 429


def test_signing_out_takes_a_post(client: Client, user: User) -> None:
    client.force_login(user)
    assert client.get(reverse("logout")).status_code == 405
    client.post(reverse("logout"))
    assert client.get(reverse("home")).status_code == 302


def test_one_changes_the_own_password(client: Client, user: User) -> None:
    client.force_login(user)
    new = "another fine secret"
    client.post(
        reverse("password"),
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )
    user.refresh_from_db()
    assert user.check_password(new)
    entry = AuditEntry.objects.get(action="change password")
    assert (entry.actor, new in str(entry.__dict__)) == ("ada", False)


def test_pages_allow_no_inline_script_or_style(client: Client) -> None:
    response = client.get(reverse("login"))
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert "<style" not in response.text
    assert " style=" not in response.text
