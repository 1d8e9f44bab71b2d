"""The pages of a review: threads, states, reviewers, waivers, revisions, a tree's rules, mails."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from policy_world import MACHINES, World, person, run_trials
from signed_in import Login

from frontend.views.change_tabs.lines import anchor_of
from policy import edits
from policy.messages import notices
from policy.models import AuditEntry, ChangeRequest, Comment, ReviewRules, Role, Thread
from policy.publishing import bundle
from policy.review import checking, discussion, turns, workflow

LABEL = f"foo.speed on {MACHINES[0]}"
#: From which of several one compares
CHOICE = '<input class="form-check-input" type="radio" name="from"'
ANCHOR = anchor_of("Compat properties", LABEL)


def edited(world: World, value: str = "7") -> ChangeRequest:
    return workflow.submit(world.edit(world.change(), world.maintainer, value), world.maintainer)


# --- Threads --------------------------------------------------------------------------------------


def test_a_line_is_asked_about_and_the_vote_publishes_it(world: World, login: Login) -> None:
    change = edited(world)
    reviewer, author = login(world.reviewer), login(world.maintainer)
    page = f"/changes/{change.pk}/"
    form = reviewer.get(f"{page}?ask={ANCHOR}").content.decode()
    assert f'name="line" value="{ANCHOR}"' in form
    sent = {"line": ANCHOR, "text": "Why <7>?"}
    answer = reviewer.post(f"{page}threads/", sent)
    thread = Thread.objects.get()
    assert answer["Location"] == f"{page}?tab=changes#thread-{thread.pk}"
    assert "Why &lt;7&gt;?" in reviewer.get(page).content.decode()
    assert "Why &lt;7&gt;?" not in author.get(page).content.decode()
    reviewer.post(f"{page}approve/", {"digest": change.digest})
    shown = author.get(page).content.decode()
    assert "Why &lt;7&gt;?" in shown
    assert "1 thread is open." in shown


def test_the_form_of_a_line_comes_alone_for_a_swap(world: World, login: Login) -> None:
    change = edited(world)
    client = login(world.reviewer)
    part = client.get(f"/changes/{change.pk}/threads/?line={ANCHOR}").content.decode()
    assert part.lstrip().startswith("<form")
    assert "data-focus" in part
    assert "<html" not in part


def test_an_answer_and_a_resolution(world: World, login: Login) -> None:
    change = edited(world)
    thread = discussion.ask(change, world.reviewer, "Why?").thread
    workflow.comment(change, world.reviewer, "")
    client = login(world.maintainer)
    address = f"/changes/{change.pk}/threads/{thread.pk}/"
    client.post(f"{address}reply/", {"text": "Because."})
    client.post(f"/changes/{change.pk}/comment/", {"text": ""})
    assert client.post(f"{address}resolve/").status_code == 302
    page = client.get(f"/changes/{change.pk}/?tab=discussion").content.decode()
    assert "Because." in page
    assert "resolved by maintainer" in page
    assert client.post(f"{address}resolve/").status_code == 422
    assert client.post(f"{address}reopen/").status_code == 302
    assert client.post(f"{address}explode/").status_code == 404


def test_an_outdated_line_shows_what_it_said(world: World, login: Login) -> None:
    change = edited(world)
    discussion.ask(change, world.reviewer, "Why?", "Compat properties", LABEL)
    workflow.comment(change, world.reviewer, "")
    world.edit(change, world.maintainer, "9")
    page = login(world.reviewer).get(f"/changes/{change.pk}/?tab=discussion").content.decode()
    assert "the line was edited since" in page
    assert '<span class="after">7</span>' in page
    assert '<span class="after">9</span>' in page


def test_others_drafts_do_not_exist(world: World, login: Login) -> None:
    change = edited(world)
    comment = discussion.ask(change, world.reviewer, "Why?")
    client = login(world.other)
    for address in (
        f"/changes/{change.pk}/drafts/{comment.pk}/edit/",
        f"/changes/{change.pk}/drafts/{comment.pk}/discard/",
        f"/changes/{change.pk}/threads/{comment.thread_id}/reply/",
        f"/changes/{change.pk}/threads/{comment.thread_id}/resolve/",
    ):
        assert client.post(address, {"text": "x"}).status_code == 404
    mine = login(world.reviewer)
    mine.post(f"/changes/{change.pk}/drafts/{comment.pk}/edit/", {"text": "Why so?"})
    assert Comment.objects.get().text == "Why so?"
    mine.post(f"/changes/{change.pk}/drafts/{comment.pk}/discard/")
    assert not Thread.objects.exists()


# --- States, turns, reviewers ---------------------------------------------------------------------


def test_since_my_last_review(world: World, login: Login) -> None:
    change = edited(world)
    workflow.approve(change, world.reviewer, change.digest)
    world.edit(change, world.maintainer, "9")
    client = login(world.reviewer)
    assert "Since my last review" in client.get(f"/changes/{change.pk}/").content.decode()
    page = client.get(f"/changes/{change.pk}/?from=reviewed").content.decode()
    lines = page.partition("data-change-group")[2]
    assert '<span class="before">7</span>' in lines
    assert '<span class="after">9</span>' in lines
    versions = client.get(f"/changes/{change.pk}/?from=1&to=2").content.decode()
    assert '<span class="after">7</span>' in versions.partition("data-change-group")[2]


@pytest.mark.parametrize("asked", ["from=99", "from=x&to=y", "from=reviewed", "to=0"])
def test_a_state_that_is_none_is_told_and_all_is_shown(
    world: World, login: Login, asked: str
) -> None:
    change = edited(world)
    answer = login(world.reviewer).get(f"/changes/{change.pk}/?{asked}")
    assert answer.status_code == 200
    assert "data-change-group" in answer.content.decode()


def test_the_history_has_every_state_and_leads_to_the_audit(world: World, login: Login) -> None:
    change = edited(world)
    workflow.approve(change, world.reviewer, change.digest)
    client = login(world.reviewer)
    page = client.get(f"/changes/{change.pk}/?tab=history").content.decode()
    assert page.count('name="from"') == 2
    assert "✓ reviewer" in page
    link = f"/audit/?object_type=policy.changerequest&amp;object_id={change.pk}"
    assert link in page
    audit = client.get(link.replace("&amp;", "&")).content.decode()
    assert "approve" in audit


def test_whose_turn_stands_on_every_page_that_is_about_it(world: World, login: Login) -> None:
    change = edited(world)
    client = login(world.reviewer)
    assert "Review it." in client.get("/your-turn/").content.decode()
    assert "a reviewer" in client.get("/changes/").content.decode()
    assert "Review it." in client.get(f"/changes/{change.pk}/").content.decode()
    empty = login(person("idle", Role.VIEWER)).get("/your-turn/").content.decode()
    assert "Nothing waits for you" in empty


def test_the_page_of_turns_makes_the_same_queries_for_one_and_for_many(
    world: World, login: Login, django_assert_max_num_queries: object
) -> None:
    client = login(world.reviewer)
    world.in_review()
    client.get("/your-turn/")
    for _ in range(6):
        world.in_review()
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        assert client.get("/your-turn/").content.decode().count("data-row-link") == 7


def test_somebody_is_asked_by_name(world: World, login: Login) -> None:
    change = edited(world)
    client = login(world.maintainer)
    client.post(f"/changes/{change.pk}/request-review/", {"reviewer": "other"})
    assert [item.reviewer for item in change.requested.all()] == [world.other]
    assert turns.your_turns(world.reviewer) == []
    wrong = client.post(f"/changes/{change.pk}/request-review/", {"reviewer": "manager"})
    assert wrong.status_code == 422
    assert "no reviewer" in wrong.content.decode()
    client.post(f"/changes/{change.pk}/withdraw-request/", {"reviewer": "other"})
    assert not change.requested.exists()


def test_two_changes_of_the_same_thing_say_so(world: World, login: Login) -> None:
    first, second = edited(world, "7"), edited(world, "8")
    page = login(world.reviewer).get(f"/changes/{first.pk}/").content.decode()
    assert f"#{second.pk} A change" in page
    assert "has to be rebased" in page


def test_who_approves_an_older_content_sees_what_it_is_now(world: World, login: Login) -> None:
    change = edited(world)
    read = change.digest
    world.edit(change, world.maintainer, "8")
    address = f"/changes/{change.pk}/approve/"
    answer = login(world.reviewer).post(address, {"digest": read, "text": "Fine."})
    assert answer.status_code == 409
    page = answer.content.decode()
    assert '<span class="after">8</span>' in page
    assert "Fine." in page


# --- Waivers --------------------------------------------------------------------------------------


def test_a_trial_is_waived_and_the_waiver_taken_back(world: World, login: Login) -> None:
    change = edits.add_migration(
        world.change(), world.maintainer, 1, "down 1.2", "down 1.2", "refused"
    )
    run_trials(change, world.maintainer)
    client = login(world.maintainer)
    tab = f"/changes/{change.pk}/?tab=trials"
    assert client.get(tab).content.decode().count("Waive this trial") == 2
    sent = {
        "lock_version": change.lock_version,
        "source": "down 1.2",
        "destination": "down 1.2",
        "machine_type": MACHINES[0],
        "reason": "Known & accepted",
        "expires": (checking.today() + timedelta(days=9)).isoformat(),
    }
    late = client.post(f"/changes/{change.pk}/waivers/", sent | {"expires": "2001-01-01"})
    assert late.status_code == 422
    assert "This day is over." in late.content.decode()
    assert "Known &amp; accepted" in late.content.decode()
    assert client.post(f"/changes/{change.pk}/waivers/", sent).status_code == 302
    page = client.get(tab).content.decode()
    assert "differs, waived until" in page
    change.refresh_from_db()
    client.post(f"/changes/{change.pk}/waivers/0/remove/", {"lock_version": change.lock_version})
    change.refresh_from_db()
    assert change.policy.waivers == ()
    assert login(world.reviewer).post(f"/changes/{change.pk}/waivers/", sent).status_code == 403


# --- Revisions ------------------------------------------------------------------------------------


def second_revision(world: World) -> None:
    world.published()
    world.publish(world.edit(world.change(), world.maintainer, "7"))


def test_two_revisions_compared_and_the_way_back(world: World, login: Login) -> None:
    second_revision(world)
    client = login(world.maintainer)
    page = client.get("/releases/down/1.2/revisions/?from=1&to=2").content.decode()
    assert "From r1 to r2" in page
    assert LABEL in page
    assert client.get("/releases/down/1.2/revisions/?from=1&to=9").status_code == 404
    form = client.get(f"/changes/new/?release={world.release.pk}&revert=1").content.decode()
    assert "Go back to r1" in form
    sent = {"release": world.release.pk, "revert": 1, "title": "Back"}
    client.post("/changes/new/", sent)
    change = ChangeRequest.objects.get(title="Back")
    assert [entry.value for entry in change.policy.resolved(MACHINES[0])] == ["5"]
    assert "goes back to r1" in client.get(f"/changes/{change.pk}/").content.decode()
    for number in (2, 9):
        assert client.post("/changes/new/", sent | {"revert": number}).status_code == 422


@pytest.mark.parametrize("page", ["revisions", "bundles", "history"])
def test_one_alone_cannot_be_compared(world: World, login: Login, page: str) -> None:
    bundle.store(world.published())
    change = world.change()
    address = {
        "revisions": "/releases/down/1.2/revisions/",
        "bundles": "/bundles/down/1.2/",
        "history": f"/changes/{change.pk}/?tab=history",
    }[page]
    client = login(world.reviewer)
    assert CHOICE not in client.get(address).content.decode()
    bundle.store(world.publish(world.edit(change, world.maintainer, "7")))
    assert client.get(address).content.decode().count(CHOICE) >= 2


def test_revisions_make_few_queries(
    world: World, login: Login, django_assert_max_num_queries: object
) -> None:
    second_revision(world)
    client = login(world.reviewer)
    client.get("/releases/down/1.2/revisions/")
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        client.get("/releases/down/1.2/revisions/")


# --- A tree's rules -------------------------------------------------------------------------------


def test_an_administrator_says_how_many_approvals(world: World, login: Login) -> None:
    head = login(person("head", Role.ADMINISTRATOR))
    assert head.post("/trees/down/", {"approvals": "2"}).status_code == 302
    assert ReviewRules.objects.get().approvals == 2
    assert AuditEntry.objects.latest("id").action == "set approvals"
    for wrong in ("0", "4", "x", ""):
        assert head.post("/trees/down/", {"approvals": wrong}).status_code == 422
    assert (
        "A change needs 2 approvals" in login(world.reviewer).get("/trees/down/").content.decode()
    )


def test_nobody_else_does(world: World, login: Login) -> None:
    for user in (world.maintainer, world.reviewer, world.manager):
        assert login(user).post("/trees/down/", {"approvals": "2"}).status_code == 403
    assert login(person("stranger")).get("/trees/down/").status_code == 404
    assert login(world.reviewer).get("/trees/none/").status_code == 404
    assert not ReviewRules.objects.exists()


# --- Mails ----------------------------------------------------------------------------------------


def test_a_person_chooses_their_mails(world: World, login: Login) -> None:
    client = login(world.reviewer)
    assert "checked" in client.get("/accounts/mails/").content.decode()
    client.post("/accounts/mails/", {"turns": "on"})
    assert notices.wanted_by(world.reviewer) == {
        "turns": True, "discussion": False, "outcomes": False, "reminders": False,
    }  # fmt: skip


def test_the_link_of_a_mail_works_without_signing_in_and_only_when_posted(world: World) -> None:
    token = notices.unsubscribe_token(world.reviewer, "reminders")
    stranger = Client(enforce_csrf_checks=True)
    assert "Do you want no more" in stranger.get(f"/mails/{token}/").content.decode()
    assert notices.wanted_by(world.reviewer)["reminders"]
    done = stranger.post(f"/mails/{token}/", {"List-Unsubscribe": "One-Click"})
    assert "You get no more mails" in done.content.decode()
    assert not notices.wanted_by(world.reviewer)["reminders"]
    assert stranger.post(f"/mails/{token}x/").status_code == 404
