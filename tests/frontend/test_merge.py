"""Two people edit a draft: told where nothing conflicts, else asked on a page of its own."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from policy_world import MACHINES, World
from signed_in import Login

from policy import edits
from policy.edits import unmerged
from policy.errors import MergeNeeded
from policy.models import AuditEntry, ChangeRequest, UnmergedEdit
from policy.review import workflow

NEWEST, OLDER = MACHINES


def entry_changed(client: Client, change: ChangeRequest, value: str, **more: Any) -> Any:
    """Send the machine type's page's form for its first entry, made of version 1."""
    data = {"lock_version": 1, "machine_type": NEWEST, "position": 0, "value": value}
    return client.post(f"/changes/{change.pk}/entries/change/", data, **more)


def met(world: World, client: Client) -> tuple[ChangeRequest, str]:
    """An edit of 5 to 6 that met another's to 7; the address where it waits."""
    change = world.edit(world.change(), world.other, "7")
    return change, entry_changed(client, change, "6")["Location"]


def sent(page: str, choice: str) -> dict[str, str]:
    """What the page's form sends with this choice for its one conflict."""
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    typed = re.search(
        r'name="typed_0"[^>]*value="([^"]*)"|value="([^"]*)"[^>]*name="typed_0"', page
    )
    found = {name: unescape(value) for name, value in hidden.items() if "csrf" not in name}
    return found | {"choice_0": choice, "typed_0": "".join(typed.groups("")) if typed else ""}


def values(change: ChangeRequest, machine_type: str = NEWEST) -> list[str]:
    change.refresh_from_db()
    return [entry.value for entry in change.policy.resolved(machine_type)]


def test_what_came_in_between_is_told(world: World, login: Login) -> None:
    change = world.change()
    edits.change_entry(change, world.other, 1, OLDER, 0, "3")
    client = login(world.maintainer)
    page = client.get(entry_changed(client, change, "6")["Location"])
    assert values(change, OLDER) == ["6", "3"]
    told = unescape(page.content.decode())
    assert f"Meanwhile other edited: foo.speed on {OLDER}. Both edits are in the draft." in told


def test_a_conflict_is_kept_and_shown_with_all_three(world: World, login: Login) -> None:
    client = login(world.maintainer)
    change, address = met(world, client)
    page = client.get(address).content.decode()
    shown = page.partition("data-conflicts")[2]
    for text in (f"foo.speed on {NEWEST}", ">5<", ">6<", ">7<", "Theirs, other"):
        assert text in shown
    assert values(change) == ["7"]
    assert UnmergedEdit.objects.get().action == "change entry"


def test_within_a_page_htmx_is_led_there(world: World, login: Login) -> None:
    change = world.edit(world.change(), world.other, "7")
    answer = entry_changed(login(world.maintainer), change, "6", headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == f"/changes/{change.pk}/merge/{UnmergedEdit.objects.get().pk}/"


@pytest.mark.parametrize(
    ("choice", "typed", "value"), [("mine", "", "6"), ("theirs", "", "7"), ("typed", "9", "9")]
)
def test_what_is_chosen_is_saved(
    world: World, login: Login, choice: str, typed: str, value: str
) -> None:
    client = login(world.maintainer)
    change, address = met(world, client)
    data = sent(client.get(address).content.decode(), choice) | {"typed_0": typed}
    assert client.post(address, data)["Location"] == f"/changes/{change.pk}/"
    assert values(change) == [value]
    assert not UnmergedEdit.objects.exists()
    merged = AuditEntry.objects.filter(action="merge edits").first()
    assert (merged.after["merged"]["edit"] if merged else "") == (
        "change entry" if value != "7" else ""
    )


@pytest.mark.parametrize(
    ("choice", "typed", "problem"),
    [("", "", "Choose what stays"), ("typed", "fast", "is no valid"), ("both", "", "valid choice")],
)
def test_what_cannot_be_saved_is_told_and_kept(
    world: World, login: Login, choice: str, typed: str, problem: str
) -> None:
    client = login(world.maintainer)
    change, address = met(world, client)
    data = sent(client.get(address).content.decode(), choice) | {"typed_0": typed}
    answer = client.post(address, data)
    assert answer.status_code == 422
    assert problem in answer.content.decode() or "fast" in answer.content.decode()
    assert f'value="{typed}"' in answer.content.decode()
    assert (values(change), UnmergedEdit.objects.count()) == (["7"], 1)


def test_a_second_race_shows_it_again_and_keeps_what_was_typed(world: World, login: Login) -> None:
    client = login(world.maintainer)
    change, address = met(world, client)
    data = sent(client.get(address).content.decode(), "typed") | {"typed_0": "9"}
    world.edit(change, world.other, "8")
    again = client.post(address, data)
    page = again.content.decode()
    assert again.status_code == 409
    assert ">8<" in page
    assert 'value="9"' in page
    assert "checked" not in page.partition("data-conflicts")[2]
    assert (values(change), UnmergedEdit.objects.count()) == (["8"], 1)
    assert client.post(address, sent(page, "mine"))["Location"] == f"/changes/{change.pk}/"
    assert values(change) == ["6"]


def test_a_choice_stays_where_the_race_was_about_something_else(world: World, login: Login) -> None:
    client = login(world.maintainer)
    change, address = met(world, client)
    data = sent(client.get(address).content.decode(), "mine")
    edits.change_entry(change, world.other, 2, OLDER, 0, "3")
    page = client.post(address, data).content.decode()
    assert "checked" in page.partition("data-conflicts")[2]
    client.post(address, sent(page, "mine"))
    assert values(change, OLDER) == ["6", "3"]


def test_what_no_longer_conflicts_is_saved_without_a_choice(world: World, login: Login) -> None:
    client = login(world.maintainer)
    change, address = met(world, client)
    world.edit(change, world.other, "5")
    page = client.get(address).content.decode()
    assert "data-conflicts" not in page
    client.post(address, sent(page, ""))
    assert values(change) == ["6"]


def test_an_edit_is_given_up(world: World, login: Login) -> None:
    client = login(world.maintainer)
    change, address = met(world, client)
    assert client.post(f"{address}drop/")["Location"] == f"/changes/{change.pk}/"
    assert (values(change), UnmergedEdit.objects.count()) == (["7"], 0)


def test_nobody_else_sees_an_edit_that_waits(world: World, login: Login) -> None:
    _, address = met(world, login(world.maintainer))
    for user in (world.other, world.reviewer):
        assert login(user).get(address).status_code == 404
        assert login(user).post(f"{address}drop/").status_code == 404


def test_whoever_may_no_longer_edit_saves_nothing(world: World, login: Login) -> None:
    client = login(world.maintainer)
    change, address = met(world, client)
    data = sent(client.get(address).content.decode(), "mine")
    world.maintainer.memberships.update(role="viewer")
    assert client.post(address, data).status_code == 403
    assert values(change) == ["7"]


def test_a_change_that_was_closed_meanwhile_takes_nothing(world: World, login: Login) -> None:
    client = login(world.maintainer)
    change, address = met(world, client)
    data = sent(client.get(address).content.decode(), "mine")
    workflow.withdraw(change, world.maintainer)
    answer = client.post(address, data)
    assert answer.status_code in {409, 422}
    assert (values(change), UnmergedEdit.objects.count()) == (["7"], 1)


def test_the_change_says_that_an_edit_waits(world: World, login: Login) -> None:
    client = login(world.maintainer)
    change, address = met(world, client)
    page = f"/changes/{change.pk}/"
    assert f'href="{address}"' in client.get(page).content.decode()
    assert address not in login(world.reviewer).get(page).content.decode()


def test_both_justifications_are_shown(world: World, login: Login) -> None:
    change, client = world.change(), login(world.maintainer)
    edits.set_override(change, world.other, 1, "foo", "foo", 1, "tighten", "Theirs: wanted.")
    with pytest.raises(MergeNeeded) as caught:
        edits.set_override(change, world.maintainer, 1, "foo", "foo", 1, "tighten", "Mine: needed.")
    kept = unmerged.keep(world.maintainer, caught.value)
    address = f"/changes/{change.pk}/merge/{kept.pk}/"
    page = client.get(address).content.decode()
    assert "Theirs: wanted." in page
    assert page.count("Mine: needed.") == 3  # to choose, to go on from, and what was wanted
    refused = client.post(address, sent(page, "typed") | {"typed_0": "  "})
    assert "Say why" in refused.content.decode()
    client.post(address, sent(page, "typed") | {"typed_0": "Both."})
    change.refresh_from_db()
    assert [item.justification for item in change.policy.overrides] == ["Both."]
