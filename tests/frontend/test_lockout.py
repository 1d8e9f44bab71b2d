"""The lock after failed sign-ins: whose it is, behind proxies too, until when, and its lifting."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from axes.models import AccessAttempt
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from frontend.sign_in import lockout
from frontend.sign_in.callers import address
from policy import audit
from policy.models import AuditEntry

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
HOME = "192.0.2.7"


@pytest.fixture(autouse=True)
def ada(settings: LazySettings) -> User:
    settings.AXES_FAILURE_LIMIT = 3
    return User.objects.create_user("ada", password=PASSWORD)


def attempt(password: str, remote: str = HOME, name: str = "ada", **more: str) -> HttpResponse:
    sent = {"username": name, "password": password}
    return Client().post(reverse("login"), sent, REMOTE_ADDR=remote, **more)


def lock(remote: str = HOME, **more: str) -> HttpResponse:
    return [attempt("wrong", remote, **more) for _ in range(3)][-1]


@pytest.mark.parametrize(
    ("proxies", "header", "caller"),
    [
        (0, "203.0.113.9", "10.0.0.1"),  # nobody is trusted: the header is anybody's word
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "127.0.0.1, 203.0.113.9", "203.0.113.9"),  # the caller wrote the first entry
        (2, "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        (1, "", "10.0.0.1"),
        (1, "unknown", "10.0.0.1"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),  # one caller has the whole network
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_where_a_caller_is(settings: LazySettings, proxies: int, header: str, caller: str) -> None:
    settings.LOCKSTEP_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=header)
    assert address(request) == caller


def test_whoever_sits_at_a_session_guesses_its_password_no_more_often(ada: User) -> None:
    session = Client()
    session.force_login(ada)
    new = {"new_password1": "another fine secret", "new_password2": "another fine secret"}
    answers = [
        session.post(reverse("password"), {"old_password": old, **new}, REMOTE_ADDR=HOME)
        for old in ("wrong", "guess", "another", PASSWORD)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    assert AuditEntry.objects.get().action == "lock out"
    assert attempt(PASSWORD, "198.51.100.1").status_code == 302


def test_another_header_does_not_evade_the_lock(settings: LazySettings) -> None:
    for number in range(3):
        answer = attempt("wrong", HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")
    assert answer.status_code == 429
    settings.LOCKSTEP_PROXIES = 1
    for number in range(3):
        told = f"198.51.100.{number}, 203.0.113.5"
        answer = attempt("wrong", "10.0.0.1", HTTP_X_FORWARDED_FOR=told)
    assert answer.status_code == 429
    assert attempt(PASSWORD, "10.0.0.1", HTTP_X_FORWARDED_FOR="203.0.113.5").status_code == 429


def test_nobody_locks_another_out(settings: LazySettings) -> None:
    settings.LOCKSTEP_PROXIES = 1
    victim = "198.51.100.4"
    lock("10.0.0.1", HTTP_X_FORWARDED_FOR=f"{victim}, 203.0.113.5")
    assert attempt(PASSWORD, "10.0.0.1", HTTP_X_FORWARDED_FOR=victim).status_code == 302
    User.objects.create_user("bob", password=PASSWORD)
    where = {"HTTP_X_FORWARDED_FOR": "203.0.113.5"}
    assert attempt(PASSWORD, "10.0.0.1", "bob", **where).status_code == 302


def test_the_page_says_until_when(ada: User) -> None:
    before = timezone.now()
    answer = lock()
    rest = timedelta(minutes=15)
    end = lockout.until(AccessAttempt.objects.all(), 3)
    assert end is not None
    assert before + rest <= end <= timezone.now() + rest
    assert f"{end:%H:%M:%S} UTC" in answer.text
    assert 880 <= int(answer["Retry-After"]) <= 900


def test_going_on_does_not_put_the_end_off(ada: User) -> None:
    lock()
    end = lockout.until(AccessAttempt.objects.all(), 3)
    assert attempt("wrong").status_code == 429
    assert lockout.until(AccessAttempt.objects.all(), 3) == end


def test_with_several_browsers_it_ends_with_the_first_that_leaves_too_few() -> None:
    now = timezone.now()
    for agent, minutes, failures in (("a", 14, 1), ("b", 10, 1), ("c", 1, 2)):
        row = AccessAttempt.objects.create(
            username="ada", ip_address=HOME, user_agent=agent, failures_since_start=failures
        )
        at = now - timedelta(minutes=minutes)
        AccessAttempt.objects.filter(pk=row.pk).update(attempt_time=at)
    assert lockout.until(AccessAttempt.objects.all(), 3) == now + timedelta(minutes=5)
    assert lockout.until(AccessAttempt.objects.all(), 5) is None


def test_it_is_over_when_it_is_over(ada: User) -> None:
    lock()
    past: datetime = timezone.now() - timedelta(minutes=16)
    AccessAttempt.objects.update(attempt_time=past)
    assert attempt(PASSWORD).status_code == 302


def test_a_lock_is_on_record_once_and_for_people_alone(ada: User) -> None:
    lock()
    attempt("wrong")
    for _ in range(3):
        attempt("wrong", name="made up")
    entry = AuditEntry.objects.get(action="lock out")
    assert (entry.actor, entry.object_label, entry.after) == ("system", "ada", {"address": HOME})


def test_an_administrator_lifts_it_on_record(ada: User) -> None:
    lock()
    lock("192.0.2.8")
    root = User.objects.create_superuser("root")
    assert lockout.lift(AccessAttempt.objects.filter(ip_address=HOME), root) == 1
    assert attempt(PASSWORD).status_code == 302
    assert attempt(PASSWORD, "192.0.2.8").status_code == 429
    entry = AuditEntry.objects.get(action="lift lock")
    assert (entry.actor, entry.object_label) == ("root", "ada")
    assert entry.before == {"name": "ada", "address": HOME, "failures": 3}
    assert audit.verify() == []
