"""Reading a change: object by object, what stands beside a line, marks, comments in place."""

from __future__ import annotations

import pytest
from policy_world import MACHINES, World
from signed_in import Login

from frontend.views.change_tabs.lines import anchor_of
from policy import edits
from policy.document.objects import ChangedObject
from policy.models import ChangeRequest, Thread
from policy.review import discussion, reading, workflow

SWAP = {"HX-Request": "true"}
LABEL = f"foo.speed on {MACHINES[0]}"
ANCHOR = anchor_of("Compat properties", LABEL)


def changed(world: World) -> tuple[ChangeRequest, ChangedObject]:
    change = workflow.submit(
        world.harmless(world.edit(world.change(), world.maintainer)), world.maintainer
    )
    return change, reading.objects_of(change)[0]


def test_an_objects_lines_stand_below_its_name(world: World, login: Login) -> None:
    change, _ = changed(world)
    page = login(world.reviewer).get(f"/changes/{change.pk}/").content.decode()
    card = page.partition("data-change-group")[2].partition("</section>")[0]
    assert f"/machine-types/{MACHINES[0]}/?change={change.pk}" in card
    assert "foo.<b>speed</b>" in card
    assert '<span class="before">5</span>' in card
    assert f"{MACHINES[1]}</span> goes on from it" in card
    assert "0 of 2 objects reviewed" in page


def test_an_object_is_marked_and_what_was_read_is_folded(world: World, login: Login) -> None:
    change, first = changed(world)
    client = login(world.reviewer)
    address = f"/changes/{change.pk}/objects/{first.key}/"
    swapped = client.post(
        f"{address}read/", {"digest": first.digest}, headers=SWAP
    ).content.decode()
    assert 'aria-pressed="true"' in swapped
    assert "1 of 2 objects reviewed" in swapped
    page = client.get(f"/changes/{change.pk}/").content.decode()
    assert "1 change, which you have read" in page
    assert "which you have read" not in (
        login(world.other).get(f"/changes/{change.pk}/").content.decode()
    )
    back = client.post(f"{address}unread/", headers=SWAP).content.decode()
    assert 'aria-pressed="false"' in back


def test_without_scripts_the_next_object_follows(world: World, login: Login) -> None:
    change, first = changed(world)
    _, second = reading.objects_of(change)
    address = f"/changes/{change.pk}/objects/{first.key}/read/"
    answer = login(world.reviewer).post(address, {"digest": first.digest})
    assert answer["Location"].endswith(f"#object-{second.key}")


def test_what_was_edited_meanwhile_is_not_marked(world: World, login: Login) -> None:
    change, first = changed(world)
    world.edit(change, world.maintainer, "8")
    client = login(world.reviewer)
    address = f"/changes/{change.pk}/objects/{first.key}/read/"
    answer = client.post(address, {"digest": first.digest}, headers=SWAP)
    assert answer.status_code == 409
    assert "edited meanwhile" in answer.content.decode()
    assert '<span class="after">8</span>' in answer.content.decode()


def test_whoever_has_no_role_marks_nothing(world: World, login: Login) -> None:
    change, first = changed(world)
    world.reviewer.memberships.all().delete()
    for action in ("read", "unread"):
        address = f"/changes/{change.pk}/objects/{first.key}/{action}/"
        assert login(world.reviewer).post(address, {"digest": first.digest}).status_code == 404


def test_a_comment_comes_back_on_its_line(world: World, login: Login) -> None:
    change, _ = changed(world)
    client = login(world.reviewer)
    address = f"/changes/{change.pk}/threads/"
    empty = client.post(address, {"line": ANCHOR, "text": ""}, headers=SWAP)
    assert empty.status_code == 422
    assert 'aria-invalid="true"' in empty.content.decode()
    answer = client.post(address, {"line": ANCHOR, "text": "Why?"}, headers=SWAP).content.decode()
    assert answer.lstrip().startswith(f'<div class="change-line discussed" id="line-{ANCHOR}"')
    assert "1 draft" in answer.partition('id="drafts-waiting"')[2]


def test_a_thread_is_answered_and_settled_in_place(world: World, login: Login) -> None:
    change, _ = changed(world)
    thread = discussion.ask(change, world.reviewer, "Why?").thread
    workflow.comment(change, world.reviewer, "")
    client = login(world.maintainer)
    address = f"/changes/{change.pk}/threads/{thread.pk}/"
    answered = client.post(f"{address}reply/", {"text": "So."}, headers=SWAP).content.decode()
    assert "So." in answered
    assert "1 thread is open." in answered
    assert client.post(f"{address}reply/", {"text": ""}, headers=SWAP).status_code == 422
    settled = client.post(f"{address}resolve/", headers=SWAP).content.decode()
    assert "resolved by maintainer" in settled
    assert "No thread is open." in settled


def test_a_draft_that_is_discarded_leaves_nothing(world: World, login: Login) -> None:
    change, _ = changed(world)
    comment = discussion.ask(change, world.reviewer, "Why?")
    address = f"/changes/{change.pk}/drafts/{comment.pk}/discard/"
    left = login(world.reviewer).post(address, headers=SWAP).content.decode()
    assert "<section" not in left
    assert not Thread.objects.exists()


def test_who_else_touches_the_object_is_told_on_it(world: World, login: Login) -> None:
    change, _ = changed(world)
    other = edits.open_change(world.release, world.other, "The same again")
    world.edit(other, world.other, "9")
    page = login(world.reviewer).get(f"/changes/{change.pk}/").content.decode()
    assert f"also in #{other.pk} by other" in page


@pytest.mark.parametrize("tab", ["", "findings", "trials", "discussion", "history", "bundle"])
def test_every_tab_makes_few_queries(
    world: World, login: Login, django_assert_max_num_queries: object, tab: str
) -> None:
    change, _ = changed(world)
    client = login(world.reviewer)
    client.get(f"/changes/{change.pk}/?tab={tab or 'changes'}")
    with django_assert_max_num_queries(25):  # type: ignore[operator]
        assert client.get(f"/changes/{change.pk}/?tab={tab or 'changes'}").status_code == 200
