"""Signing in by an OpenID Connect provider: a real one over HTTP, through the site's own pages."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import openid_provider
import pytest
import requests
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from openid_provider import CLIENT, SECRET, OpenIdProvider

from frontend.models import Identity
from frontend.sign_in.provider import Provider
from policy import audit
from policy.models import AuditEntry, Membership
from policy.permissions import may

pytestmark = pytest.mark.django_db
START = "/accounts/oidc/"


@pytest.fixture
def provider(settings: LazySettings) -> Iterator[OpenIdProvider]:
    provider, server = openid_provider.serve()
    settings.LOCKSTEP_OIDC = Provider(provider.url, CLIENT, SECRET, "Sign in with Example")
    yield provider
    server.shutdown()
    server.server_close()


def walk(client: Client, start: str = START) -> HttpResponse:
    """Go to the provider and back, as a browser does; the answer to the way back."""
    out = client.get(start)
    assert out.status_code == 302, out.text
    back = requests.get(out.url, allow_redirects=False, timeout=10).headers["Location"]
    parts = urlsplit(back)
    assert (parts.netloc, parts.path) == ("testserver", reverse("oidc-callback"))
    return client.get(f"{parts.path}?{parts.query}")


def who(client: Client) -> str | None:
    key = client.session.get("_auth_user_id")
    return User.objects.get(pk=key).username if key else None


def test_it_is_off_unless_configured(client: Client) -> None:
    assert START not in client.get(reverse("login")).text
    assert client.get(START).status_code == 404
    assert client.get(f"{START}callback/?code=a&state=b").status_code == 404


def test_the_button_leads_there_and_the_password_stays(
    client: Client, provider: OpenIdProvider
) -> None:
    page = client.get(f"{reverse('login')}?next=/trials/")
    assert "Sign in with Example" in page.text
    assert f'href="{START}?next=/trials/"' in page.text
    assert 'type="password"' in page.text
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]


def test_who_comes_first_is_a_new_person_without_a_role(
    client: Client, provider: OpenIdProvider
) -> None:
    provider.told = {"sub": "7", "preferred_username": "Ada@example.org", "email": "a@b.example",
                     "email_verified": True}  # fmt: skip
    answer = walk(client, f"{START}?next=/trials/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/trials/")
    ada = User.objects.get(username="ada")
    assert (ada.email, ada.has_usable_password(), ada.is_staff) == ("a@b.example", False, False)
    assert not Membership.objects.filter(user=ada).exists()
    assert not may(ada, "view", None)
    entry = AuditEntry.objects.get(action="first sign-in")
    assert (entry.actor, entry.after["subject"]) == ("ada", "7")
    assert audit.verify() == []


def test_the_same_subject_is_the_same_person_whatever_else_is_said(
    provider: OpenIdProvider,
) -> None:
    provider.told = {"sub": "7", "preferred_username": "ada"}
    walk(Client())
    provider.told = {"sub": "7", "preferred_username": "lovelace", "email": "new@b.example"}
    again = Client()
    walk(again)
    assert who(again) == "ada"
    assert User.objects.count() == 1


def test_neither_a_name_nor_a_mail_address_makes_somebody_another(
    client: Client, provider: OpenIdProvider
) -> None:
    root = User.objects.create_user("root", "root@b.example", "secret", is_superuser=True)
    provider.told = {"sub": "8", "preferred_username": "root", "email": root.email,
                     "email_verified": True}  # fmt: skip
    walk(client)
    assert who(client) == "root-2"
    provider.told = {"sub": "9", "preferred_username": audit.SYSTEM, "email": root.email}
    other = Client()
    walk(other)
    assert who(other) == "system-2"
    assert User.objects.get(username="system-2").email == ""


@pytest.mark.parametrize("email", ["a@b.example, c@d.example", "a@b..example", "nobody", 7, None])
def test_an_address_that_is_none_is_not_kept(
    client: Client, provider: OpenIdProvider, email: object
) -> None:
    provider.told = {"sub": "7", "preferred_username": "ada", "email": email,
                     "email_verified": True}  # fmt: skip
    walk(client)
    assert User.objects.get(username="ada").email == ""


def test_nobody_writes_lines_of_the_log(
    client: Client, provider: OpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    said = "error=x&error_description=a%0AWARNING+all+is+well%1B[2J" + "b" * 3000
    assert client.get(f"{START}callback/?{said}").status_code == 403
    [record] = [item for item in caplog.records if item.name == "frontend.sign_in.exchange"]
    message = record.getMessage()
    assert "\n" not in message
    assert "\x1b" not in message
    assert len(message) < 1000


def test_an_administrator_links_who_is_here_already(
    client: Client, provider: OpenIdProvider
) -> None:
    local = User.objects.create_user("local", password="secret")
    Identity.objects.create(user=local, issuer=provider.url, subject="1001")
    walk(client)
    assert who(client) == "local"
    assert not AuditEntry.objects.filter(action="first sign-in").exists()


def test_a_disabled_person_stays_out(client: Client, provider: OpenIdProvider) -> None:
    walk(Client())
    User.objects.update(is_active=False)
    answer = walk(client)
    assert answer.status_code == 403
    assert "disabled" in answer.text
    assert who(client) is None


def test_a_session_ends_when_the_person_is_disabled(
    client: Client, provider: OpenIdProvider
) -> None:
    walk(client)
    assert client.get("/accounts/settings/").status_code == 200
    User.objects.update(is_active=False)
    assert client.get("/accounts/settings/").status_code == 302


def test_a_session_ends_in_time_however_busy_it_is(
    client: Client, provider: OpenIdProvider
) -> None:
    walk(client)
    end = client.session.get_expiry_date()
    session = client.session
    session["busy"] = True
    session.save()
    assert client.session.get_expiry_date() == end
    hours = (end - timezone.now()).total_seconds() / 3600
    assert 11.9 < hours <= 12


@pytest.mark.parametrize("goal", ["nowhere", "//elsewhere.example/", "https://elsewhere.example/"])
def test_a_goal_that_is_none_leads_to_no_other_site(
    client: Client, provider: OpenIdProvider, goal: str
) -> None:
    for answer in (walk(client, f"{START}?next={goal}"), client.get(f"{START}?next={goal}")):
        assert answer.status_code == 302
        assert urlsplit(answer.headers["Location"]).netloc == ""


@pytest.mark.parametrize(
    ("wrong", "status"),
    [("nonce", 403), ("audience", 403), ("issuer", 403), ("expired", 403), ("signature", 403),
     ("unsigned", 403), ("no-token", 502)],
)  # fmt: skip
def test_a_word_that_does_not_hold_lets_nobody_in(
    client: Client, provider: OpenIdProvider, wrong: str, status: int
) -> None:
    provider.wrong = wrong
    answer = walk(client)
    assert answer.status_code == status
    assert "You are not signed in" in answer.text
    assert (who(client), User.objects.count()) == (None, 0)


def test_a_wrong_secret_is_no_fault_of_the_person_s(
    client: Client, provider: OpenIdProvider, settings: LazySettings
) -> None:
    settings.LOCKSTEP_OIDC = Provider(provider.url, CLIENT, "another secret")
    answer = walk(client)
    assert answer.status_code == 502
    assert "does not answer as it should" in answer.text


@pytest.mark.parametrize("wrong", ["metadata", "silent"])
def test_a_provider_that_is_not_there_is_said_on_a_page(
    client: Client, provider: OpenIdProvider, wrong: str
) -> None:
    provider.wrong = wrong
    answer = client.get(START)
    assert answer.status_code == 502
    assert "does not answer as it should" in answer.text
    provider.wrong = ""  # and it is asked again
    assert walk(client).status_code == 302


def test_nobody_is_signed_in_as_somebody_else_by_a_foreign_link(
    client: Client, provider: OpenIdProvider
) -> None:
    out = Client().get(START)
    back = urlsplit(requests.get(out.url, allow_redirects=False, timeout=10).headers["Location"])
    client.get(START)
    answer = client.get(f"{back.path}?{back.query}")
    assert answer.status_code == 400
    assert "not begun in this browser" in answer.text
    assert who(client) is None


def test_an_answer_holds_once(client: Client, provider: OpenIdProvider) -> None:
    out = client.get(START)
    back = urlsplit(requests.get(out.url, allow_redirects=False, timeout=10).headers["Location"])
    client.get(f"{back.path}?{back.query}")
    client.post(reverse("logout"))
    assert client.get(f"{back.path}?{back.query}").status_code == 400


@pytest.mark.parametrize("query", ["error=access_denied&state=x", "", "code=a", "state=b"])
def test_what_a_provider_may_send_back_is_answered_in_words(
    client: Client, provider: OpenIdProvider, query: str
) -> None:
    answer = client.get(f"{START}callback/?{query}")
    assert answer.status_code in (400, 403)
    assert ("did not let you in" in answer.text) == query.startswith("error")
    assert "You are not signed in" in answer.text


@pytest.mark.parametrize("away", ["https://evil.example/", "//evil.example", "javascript:x"])
def test_the_way_on_stays_on_this_site(client: Client, provider: OpenIdProvider, away: str) -> None:
    assert walk(client, f"{START}?next={away}").headers["Location"] == "/"


@pytest.mark.parametrize("subject", ["", " \0", 7, "x" * 256, None])
def test_a_subject_that_is_none_is_refused(
    client: Client, provider: OpenIdProvider, subject: object
) -> None:
    provider.told = {"sub": subject}
    assert walk(client).status_code == 403
    assert User.objects.count() == 0


def test_who_has_no_password_is_told_so(client: Client, provider: OpenIdProvider) -> None:
    walk(client)
    page = client.get(reverse("password")).text
    assert "You have no password here" in page
    assert 'type="password"' not in page
