"""Who is told of what by mail, and how somebody says that they want no more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from policy_world import World

from policy.errors import Forbidden, Invalid
from policy.messages import notices
from policy.models import AuditEntry, ChangeRequest, MailSettings, Notice
from policy.review import discussion, reviewers, workflow
from policy.signals import mails_required

pytestmark = pytest.mark.django_db


def world_with_addresses() -> World:
    world = World()
    for user in User.objects.all():
        user.email = f"{user.username}@example.org"
        user.save()
    return world


def told() -> list[tuple[str, str]]:
    """(recipient, kind) of each notice, the oldest first; they are taken away."""
    found = list(Notice.objects.order_by("id").values_list("recipient__username", "kind"))
    Notice.objects.all().delete()
    return sorted(found)


def test_each_step_tells_whose_turn_it_becomes_and_who_takes_part() -> None:
    world = world_with_addresses()
    change = world.change()
    assert told() == []  # nobody is told of what they did
    change = workflow.submit(change, world.maintainer)
    assert told() == [("other", "turns"), ("reviewer", "turns")]
    workflow.request_changes(change, world.reviewer, change.digest, "Not yet.")
    assert told() == [("maintainer", "turns")]
    change = workflow.submit(world.edit(change, world.maintainer), world.maintainer)
    told()
    workflow.approve(change, world.reviewer, change.digest)
    assert told() == [("maintainer", "discussion"), ("manager", "turns")]
    workflow.publish(change, world.manager)
    assert told() == [("maintainer", "outcomes"), ("reviewer", "outcomes")]


def test_a_mail_says_why_and_what_was_said() -> None:
    world = world_with_addresses()
    change = world.in_review()
    discussion.ask(change, world.reviewer, "For which machine types?")
    workflow.request_changes(change, world.reviewer, change.digest, "Not so.")
    notice = Notice.objects.get(recipient=world.maintainer)
    assert notice.subject == f"[Lockstep] down 1.2 #{change.pk} A change: " + (
        "A reviewer requested changes."
    )
    for words in ("reviewer requested changes", "Not so.", "For which machine types?"):
        assert words in notice.text


def test_further_edits_of_what_is_in_review_tell_nobody_again() -> None:
    world = world_with_addresses()
    change = world.in_review()
    told()
    change = world.edit(change, world.maintainer, "7")
    assert told() == []
    workflow.approve(change, world.reviewer, change.digest)
    told()
    world.edit(change, world.maintainer, "8")
    assert ("reviewer", "turns") in told()


def test_who_is_asked_by_name_is_told() -> None:
    world = world_with_addresses()
    change = world.change()
    reviewers.request(change, world.maintainer, "reviewer")
    assert told() == []
    workflow.submit(change, world.maintainer)
    assert told() == [("reviewer", "turns")]


def test_another_publish_tells_whoever_has_to_rebase() -> None:
    world = world_with_addresses()
    first, _second = world.approved(), world.approved()
    told()
    workflow.publish(first, world.manager)
    assert ("maintainer", "turns") in told()


def test_what_is_refused_tells_nobody() -> None:
    world = world_with_addresses()
    change = world.in_review()
    told()
    with pytest.raises(Forbidden):
        workflow.approve(change, world.maintainer, change.digest)
    assert told() == []


def test_without_an_address_or_a_wish_nothing_is_written() -> None:
    world = world_with_addresses()
    User.objects.filter(username="other").update(email="")
    notices.want(world.reviewer, {"turns": False})
    asked: list[object] = []
    receiver = lambda **_: asked.append(1)  # noqa: E731
    mails_required.connect(receiver)
    try:
        world.in_review()
    finally:
        mails_required.disconnect(receiver)
    assert (told(), asked) == ([], [])


# --- Reminders ------------------------------------------------------------------------------------


def test_a_turn_that_waits_is_reminded_of_once_in_each_span() -> None:
    world = world_with_addresses()
    change = world.change()
    ChangeRequest.objects.update(status_since=timezone.now() - timedelta(days=4))
    notices.remind(3)
    notices.remind(3)
    assert Notice.objects.get().kind == "reminders"
    notices.remind(3, timezone.now() + timedelta(days=3))
    assert told() == [("maintainer", "reminders")] * 2
    workflow.withdraw(change, world.maintainer)
    notices.remind(3, timezone.now() + timedelta(days=9))
    assert told() == []


def test_a_new_turn_is_not_reminded_of() -> None:
    world = world_with_addresses()
    world.in_review()
    told()
    notices.remind(3)
    assert told() == []


# --- What a person wants --------------------------------------------------------------------------


def test_what_a_person_wants_is_kept_on_record() -> None:
    world = World()
    assert all(notices.wanted_by(world.reviewer).values())
    after = notices.want(world.reviewer, {"discussion": False})
    assert after == notices.wanted_by(world.reviewer)
    assert after == {"turns": True, "discussion": False, "outcomes": True, "reminders": True}
    assert AuditEntry.objects.latest("id").action == "change mail settings"
    count = AuditEntry.objects.count()
    notices.want(world.reviewer, {"discussion": False})
    assert AuditEntry.objects.count() == count
    with pytest.raises(Invalid):
        notices.want(world.reviewer, {"everything": False})


def test_a_token_is_good_for_one_person_and_one_kind() -> None:
    world = World()
    token = notices.unsubscribe_token(world.reviewer, "reminders")
    assert notices.read_token(token) == (world.reviewer, "reminders")
    for forged in ("", "x", token[:-1], f"x{token}", token.replace(":", "::")):
        with pytest.raises(Invalid):
            notices.read_token(forged)
    world.reviewer.delete()
    with pytest.raises(Invalid):
        notices.read_token(token)
    assert not MailSettings.objects.exists()
