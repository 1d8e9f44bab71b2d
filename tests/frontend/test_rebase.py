"""Rebasing a change request in the browser: at once, or conflict by conflict."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from policy_world import MACHINES, World, person
from signed_in import Login

from policy import edits
from policy.models import ChangeRequest
from policy.review import workflow

NEWEST, OLDER = MACHINES


def outdated(world: World, mine: str = "8", theirs: str = "7") -> ChangeRequest:
    """A draft whose entry of the newest machine type was published with another value."""
    world.published()
    other, change = world.change(), world.edit(world.change(), world.maintainer, mine)
    world.publish(edits.change_entry(other, world.maintainer, 1, NEWEST, 0, theirs))
    return change


def answered(client: Client, change: ChangeRequest, choice: str) -> dict[str, str]:
    """What the page's form sends with this choice for its one conflict."""
    page = client.get(address(change)).content.decode()
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    hidden.pop("csrfmiddlewaretoken", None)
    return {name: unescape(value) for name, value in hidden.items()} | {"choice_0": choice}


def address(change: ChangeRequest) -> str:
    return f"/changes/{change.pk}/rebase/"


def test_without_a_conflict_one_click_is_enough(world: World, login: Login) -> None:
    world.published()
    other, change = world.change(), world.edit(world.change(), world.maintainer, "8")
    world.publish(edits.change_entry(other, world.maintainer, 1, OLDER, 0, "3"))
    client = login(world.maintainer)
    assert f'action="{address(change)}"' in client.get(f"/changes/{change.pk}/").content.decode()
    answer = client.post(address(change), {"lock_version": change.lock_version}, follow=True)
    page = answer.content.decode()
    assert "It follows down 1.2 r2 now." in page
    assert address(change) not in page
    change.refresh_from_db()
    assert [entry.value for entry in change.policy.resolved(OLDER)] == ["8", "3"]


def test_a_conflict_shows_all_three_and_takes_a_choice(world: World, login: Login) -> None:
    change = outdated(world)
    client = login(world.maintainer)
    answer = client.post(address(change), {"lock_version": change.lock_version})
    assert answer["Location"] == address(change)
    shown = client.get(address(change)).content.decode().partition("data-conflicts")[2]
    for text in (f"foo.speed on {NEWEST}", ">5<", ">8<", ">7<"):
        assert text in shown
    sent = answered(client, change, "theirs")
    assert client.post(address(change), sent)["Location"] == f"/changes/{change.pk}/"
    change.refresh_from_db()
    assert change.base_revision is not None
    assert change.base_revision.number == 2
    assert [entry.value for entry in change.policy.resolved(NEWEST)] == ["7"]


def test_a_value_is_typed_that_neither_side_has(world: World, login: Login) -> None:
    change, client = outdated(world), login(world.maintainer)
    sent = answered(client, change, "typed")
    refused = client.post(address(change), sent | {"typed_0": "fast"})
    assert refused.status_code == 422
    assert 'value="fast"' in refused.content.decode()
    assert client.post(address(change), sent | {"typed_0": "9"}).status_code == 302
    change.refresh_from_db()
    assert [entry.value for entry in change.policy.resolved(NEWEST)] == ["9"]


@pytest.mark.parametrize("choice", ["both", ""])
def test_an_unknown_side_is_refused(world: World, login: Login, choice: str) -> None:
    change, client = outdated(world), login(world.maintainer)
    answer = client.post(address(change), answered(client, change, choice))
    assert answer.status_code == 422
    before = change.lock_version
    change.refresh_from_db()
    assert change.lock_version == before


@pytest.mark.parametrize("stale", [{"lock_version": 1}, {"revision": 1}])
def test_a_choice_from_what_is_no_longer_there_is_a_conflict(
    world: World, login: Login, stale: dict[str, int]
) -> None:
    change, client = outdated(world), login(world.maintainer)
    answer = client.post(address(change), answered(client, change, "mine") | stale)
    assert answer.status_code == 409
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert f'name="lock_version" value="{change.lock_version}"' in page
    assert 'name="revision" value="2"' in page


def test_only_a_maintainer_of_the_tree_rebases(world: World, login: Login) -> None:
    change = outdated(world)
    assert Client().get(address(change)).status_code == 302
    assert login(person("nobody")).post(address(change)).status_code == 404
    for user in (world.reviewer, world.manager):
        client = login(user)
        assert client.get(address(change)).status_code == 403
        assert client.post(address(change), {"lock_version": 2}).status_code == 403
        assert address(change) not in client.get(f"/changes/{change.pk}/").content.decode()


def test_what_is_up_to_date_or_closed_leads_back(world: World, login: Login) -> None:
    change = outdated(world)
    client = login(world.maintainer)
    workflow.withdraw(change, world.maintainer)
    newer = world.change()
    for found in (change, newer):
        assert client.post(address(found))["Location"] == f"/changes/{found.pk}/"
