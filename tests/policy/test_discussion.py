"""Threads and drafts: who sees what, what blocks, what is on record."""

from __future__ import annotations

import pytest
from policy_world import MACHINES, World, person

from policy import audit
from policy.errors import Forbidden, Invalid
from policy.models import AuditEntry, ChangeRequest, Comment, Role, Thread
from policy.review import discussion, workflow

pytestmark = pytest.mark.django_db
LINE = ("Compat properties", f"foo.speed on {MACHINES[0]}")


def in_review(world: World) -> ChangeRequest:
    return workflow.submit(world.edit(world.change(), world.maintainer, "7"), world.maintainer)


def seen_by(world: World, change: ChangeRequest) -> dict[str, int]:
    people = (world.maintainer, world.reviewer)
    return {user.username: len(discussion.threads(change, user)) for user in people}


def test_a_draft_is_seen_by_its_author_alone_until_the_vote() -> None:
    world = World()
    change = in_review(world)
    comment = discussion.ask(change, world.reviewer, "Why 7?", *LINE)
    assert comment.thread.line["after"] == "7"
    assert seen_by(world, change) == {"maintainer": 0, "reviewer": 1}
    assert [b.code for b in workflow.blockers(change)] == ["status", "approval"]
    workflow.request_changes(change, world.reviewer, change.digest, "See the line.")
    assert seen_by(world, change) == {"maintainer": 1, "reviewer": 1}
    comment.refresh_from_db()
    assert comment.review is not None
    assert comment.review.text == "See the line."
    entry = AuditEntry.objects.latest("id")
    assert entry.after is not None
    assert entry.after["comments"] == [
        {"thread": comment.thread_id, "on": LINE[1], "text": "Why 7?"}
    ]


def test_others_drafts_are_not_published_along() -> None:
    world = World()
    change = in_review(world)
    mine = discussion.ask(change, world.reviewer, "Why?")
    theirs = discussion.ask(change, world.other, "Hm.")
    workflow.comment(change, world.reviewer, "")
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.published_at is None, theirs.published_at is None) == (False, True)


def test_a_comment_without_words_and_drafts_is_none() -> None:
    world = World()
    change = in_review(world)
    with pytest.raises(Invalid) as caught:
        workflow.comment(change, world.reviewer, " ")
    assert caught.value.field == "text"
    discussion.ask(change, world.reviewer, "Why?")
    assert workflow.comment(change, world.reviewer, " ").comments.count() == 1


def test_an_open_thread_stands_in_the_way_until_it_is_resolved() -> None:
    world = World()
    change = in_review(world)
    thread = discussion.ask(change, world.reviewer, "Why 7?", *LINE).thread
    change = workflow.approve(change, world.reviewer, change.digest)
    assert [b.text for b in workflow.blockers(change)] == ["1 thread is open."]
    with pytest.raises(Invalid, match="thread"):
        workflow.publish(change, world.manager)
    discussion.resolve(thread, world.maintainer)
    assert workflow.blockers(change) == ()
    discussion.reopen(thread, world.reviewer)
    assert [b.code for b in workflow.blockers(change)] == ["threads"]
    told = list(AuditEntry.objects.order_by("id").values_list("actor", "action"))
    assert told[-2:] == [("maintainer", "resolve thread"), ("reviewer", "reopen thread")]
    assert audit.verify() == []


def test_who_resolves() -> None:
    world = World()
    change = in_review(world)
    asker, viewer = person("asker", Role.VIEWER), person("viewer", Role.VIEWER)
    thread = discussion.ask(change, asker, "May I?").thread
    workflow.comment(change, asker, "")
    with pytest.raises(Forbidden):
        discussion.resolve(thread, viewer)
    thread = discussion.resolve(thread, asker)
    with pytest.raises(Invalid, match="already"):
        discussion.resolve(thread, asker)
    assert discussion.reopen(thread, world.manager).is_open


def test_a_line_that_is_not_changed_is_not_asked_about() -> None:
    world = World()
    change = in_review(world)
    for place in (("Compat properties", "foo.none"), ("", LINE[1]), (LINE[0], "")):
        with pytest.raises(Invalid) as caught:
            discussion.ask(change, world.reviewer, "Why?", *place)
        assert caught.value.field == "label"
    assert not Thread.objects.exists()


@pytest.mark.parametrize("text", ["", "  ", "a\0b", "\ud800", "x" * 10_001])
def test_what_no_database_holds_is_no_comment(text: str) -> None:
    world = World()
    change = in_review(world)
    comment = discussion.ask(change, world.reviewer, "Why?")
    for act in (
        lambda: discussion.ask(change, world.reviewer, text),
        lambda: discussion.reply(comment.thread, world.reviewer, text),
        lambda: discussion.rewrite(comment, world.reviewer, text),
    ):
        with pytest.raises(Invalid) as caught:
            act()
        assert caught.value.field == "text"
    assert Comment.objects.get().text == "Why?"


def test_a_draft_is_rewritten_and_discarded_by_its_author_alone() -> None:
    world = World()
    change = in_review(world)
    comment = discussion.ask(change, world.reviewer, "Why?")
    for act in (
        lambda: discussion.rewrite(comment, world.other, "Mine"),
        lambda: discussion.discard(comment, world.other),
    ):
        with pytest.raises(Forbidden):
            act()
    assert discussion.rewrite(comment, world.reviewer, "Why so?").text == "Why so?"
    discussion.discard(comment, world.reviewer)
    assert not Thread.objects.exists()


def test_what_was_said_stays_said() -> None:
    world = World()
    change = in_review(world)
    comment = discussion.ask(change, world.reviewer, "Why?")
    workflow.comment(change, world.reviewer, "")
    comment.refresh_from_db()
    with pytest.raises(Invalid, match="published"):
        discussion.rewrite(comment, world.reviewer, "Never mind")
    with pytest.raises(Invalid, match="published"):
        discussion.discard(comment, world.reviewer)


def test_a_closed_change_is_not_discussed_any_more() -> None:
    world = World()
    change = in_review(world)
    thread = discussion.ask(change, world.reviewer, "Why?").thread
    workflow.comment(change, world.reviewer, "")
    workflow.withdraw(change, world.maintainer)
    thread.refresh_from_db()
    for act in (
        lambda: discussion.ask(change, world.reviewer, "x"),
        lambda: discussion.reply(thread, world.reviewer, "x"),
        lambda: discussion.resolve(thread, world.reviewer),
    ):
        with pytest.raises(Invalid, match="withdrawn"):
            act()


def test_whoever_has_no_role_says_nothing() -> None:
    world = World()
    with pytest.raises(Forbidden):
        discussion.ask(in_review(world), person("stranger"), "x")


def test_drafts_that_nobody_sees_are_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MAX_THREADS", 3), ("MAX_COMMENTS", 2), ("MAX_DRAFTS", 4)):
        monkeypatch.setattr(discussion, name, most)
    world = World()
    change = in_review(world)
    thread = discussion.ask(change, world.reviewer, "Why 7?", *LINE).thread
    workflow.comment(change, world.reviewer, "")
    viewer = person("viewer", Role.VIEWER)
    for _ in range(2):
        discussion.ask(change, viewer, "Mine alone.")
        discussion.reply(thread, viewer, "Mine alone.")
    with pytest.raises(Invalid, match="4 drafts"):
        discussion.ask(change, viewer, "One more.")
    discussion.reply(thread, world.maintainer, "Because.")
    discussion.ask(change, world.maintainer, "And now?")


def test_nobody_buries_a_change_under_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discussion, "MAX_SAID", 1)
    world = World()
    change = in_review(world)
    viewer = person("viewer", Role.VIEWER)
    workflow.comment(change, viewer, "Hm.")
    with pytest.raises(Invalid, match="at most 1 comments"):
        workflow.comment(change, viewer, "Hm.")
    workflow.approve(change, world.reviewer, change.digest, "Good.")
