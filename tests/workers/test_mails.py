"""Mails: sent once, after the commit, with the way out; what fails is tried again."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import override_settings
from django.utils import timezone

from policy.messages import notices
from policy.models import Notice
from tests.policy.policy_world import World
from workers import jobs, mails, tasks
from workers.models import Job

pytestmark = pytest.mark.django_db


class Broken(EmailBackend):
    """A mail server that is away."""

    def send_messages(self, messages: Any) -> int:
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")


@pytest.fixture
def world() -> World:
    world = World()
    for user in User.objects.all():
        user.email = f"{user.username}@example.org"
        user.save()
    return world


def send() -> Job:
    """Do what a worker does with the newest job of mails."""
    job = Job.objects.filter(kind=Job.Kind.MAILS).latest("id")
    tasks.run_mails(job.pk)
    job.refresh_from_db()
    return job


def test_what_a_step_tells_is_sent_by_a_job(world: World) -> None:
    change = world.in_review()
    assert mail.outbox == []
    job = send()
    assert (job.status, job.result) == ("done", {"sent": 2, "left": 0})
    assert sorted(message.to[0] for message in mail.outbox) == [
        "other@example.org",
        "reviewer@example.org",
    ]
    assert f"http://127.0.0.1:8000/changes/{change.pk}/" in mail.outbox[0].body
    tasks.run_mails(job.pk)
    jobs.enqueue_mails()
    assert send().result == {"sent": 0, "left": 0}
    assert len(mail.outbox) == 2


def test_every_mail_has_the_way_out_of_its_kind(world: World) -> None:
    world.in_review()
    send()
    message = mail.outbox[0]
    link = message.extra_headers["List-Unsubscribe"].strip("<>")
    assert link in message.body
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    token = link.rstrip("/").rpartition("/")[2]
    user, kind = notices.read_token(token)
    assert (user.email, kind) == (message.to[0], "turns")


def test_many_steps_share_one_waiting_job(world: World) -> None:
    for _ in range(3):
        world.in_review()
    assert Job.objects.filter(kind=Job.Kind.MAILS).count() == 1
    assert send().result == {"sent": 6, "left": 0}


def test_a_server_that_is_away_keeps_the_mail(world: World) -> None:
    world.in_review()
    with override_settings(EMAIL_BACKEND=f"{__name__}.Broken"):
        assert send().result == {"sent": 0, "left": 2}
    assert {notice.failures for notice in Notice.objects.all()} == {1}
    assert "SMTPServerDisconnected" in Notice.objects.latest("id").error
    mails.take_up()  # too early
    assert Job.objects.filter(kind=Job.Kind.MAILS).count() == 1
    Job.objects.update(created_at=timezone.now() - timedelta(hours=1))
    mails.take_up()
    assert send().result == {"sent": 2, "left": 0}
    assert not mails.waiting().exists()


def test_a_mail_that_never_goes_out_is_given_up(world: World) -> None:
    world.in_review()
    Notice.objects.update(failures=mails.MAX_FAILURES)
    assert send().result == {"sent": 0, "left": 0}
    mails.take_up()
    assert Job.objects.filter(kind=Job.Kind.MAILS).count() == 1


def test_an_address_that_is_none_keeps_nobody_else_s_mail_back(world: World) -> None:
    first = Notice.objects.order_by("id")
    world.in_review()
    User.objects.filter(pk=first[0].recipient_id).update(email="a@b.example\nBcc: c@d.example")
    assert send().result == {"sent": 1, "left": 1}
    assert "BadHeaderError" in first[0].error
    assert len(mail.outbox) == 1


def test_who_left_or_wants_no_more_in_between_gets_none(world: World) -> None:
    world.in_review()
    notices.want(world.reviewer, {"turns": False})
    User.objects.filter(username="other").update(is_active=False)
    send()
    assert mail.outbox == []
    assert not Notice.objects.exists()


def test_reminders_come_with_the_clock(world: World) -> None:
    change = world.change()
    type(change).objects.update(status_since=timezone.now() - timedelta(days=9))
    tasks.remind()
    send()
    assert "waited for 9 days" in mail.outbox[0].body
    with override_settings(LOCKSTEP_REMIND_DAYS=0):
        Notice.objects.all().delete()
        tasks.remind()
        assert not Notice.objects.exists()


def test_a_subject_of_many_lines_is_one(world: World) -> None:
    change = world.in_review()
    notice = Notice.objects.latest("id")
    assert "\n" not in notice.subject
    assert change.title in mails.message(notice).message()["Subject"]
