"""The pages of change requests: what they show, what they let whom do, and what they keep."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from policy_world import MACHINES, World, arrays, person, release, run_trials
from signed_in import Login

from policy import edits
from policy.models import ChangeRequest

Status = ChangeRequest.Status


def test_a_stranger_sees_the_login_page(world: World) -> None:
    for address in ("/changes/", f"/changes/{world.change().pk}/", "/changes/new/"):
        answer = Client().get(address)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/")


def test_whoever_has_no_role_sees_no_change(world: World, login: Login) -> None:
    nobody = login(person("nobody"))
    change = world.change()
    assert b"A change" not in nobody.get("/changes/").content
    assert nobody.get(f"/changes/{change.pk}/").status_code == 404
    assert nobody.post(f"/changes/{change.pk}/comment/", {"text": "x"}).status_code == 404


def test_the_list_shows_open_changes_and_filters(world: World, login: Login) -> None:
    client = login(world.maintainer)
    world.change()
    given_up = edits.open_change(world.release, world.other, "Given up")
    ChangeRequest.objects.filter(pk=given_up.pk).update(status=Status.WITHDRAWN)
    assert b"Given up" not in client.get("/changes/").content
    assert b"Given up" in client.get("/changes/?status=").content
    assert b"Given up" not in client.get("/changes/?status=withdrawn&mine=on").content
    assert client.get("/changes/?tree=nonsense&status=bogus&page=99").status_code == 200


def test_what_waits_for_me_stands_first(world: World, login: Login) -> None:
    world.in_review()
    assert "Review it." in login(world.reviewer).get("/changes/").content.decode()


def test_the_list_makes_the_same_queries_for_one_and_for_many(
    world: World, login: Login, django_assert_max_num_queries: object
) -> None:
    client = login(world.reviewer)
    world.change()
    client.get("/changes/")  # the session remembers what it has to
    with django_assert_max_num_queries(25):  # type: ignore[operator]
        client.get("/changes/")
    for number in range(8):
        edits.open_change(world.release, world.maintainer, f"Change {number}")
    with django_assert_max_num_queries(25):  # type: ignore[operator]
        assert b"Change 7" in client.get("/changes/").content


def test_opening_a_change(world: World, login: Login) -> None:
    client = login(world.maintainer)
    form = client.get(f"/changes/new/?release={world.release.pk}")
    assert f'value="{world.release.pk}" selected' in form.content.decode()
    answer = client.post("/changes/new/", {"release": world.release.pk, "title": "Mine"})
    change = ChangeRequest.objects.get(title="Mine")
    assert answer["Location"] == f"/changes/{change.pk}/"


def test_an_error_keeps_what_was_typed(world: World, login: Login) -> None:
    data = {"release": world.release.pk, "title": "", "description": "much thought"}
    answer = login(world.maintainer).post("/changes/new/", data)
    assert answer.status_code == 422
    assert "much thought" in answer.content.decode()


def test_a_reviewer_cannot_open_a_change(world: World, login: Login) -> None:
    assert login(world.reviewer).get("/changes/new/").status_code == 403
    answer = login(world.reviewer).post(
        "/changes/new/", {"release": world.release.pk, "title": "Mine"}
    )
    assert answer.status_code == 403
    assert not ChangeRequest.objects.exists()


@pytest.mark.parametrize(
    "tab", ["changes", "findings", "trials", "discussion", "history", "bundle"]
)
def test_each_tab_opens_for_each_role(world: World, login: Login, tab: str) -> None:
    change = world.change()
    for user in (world.maintainer, world.reviewer, world.manager):
        answer = login(user).get(f"/changes/{change.pk}/?tab={tab}")
        assert answer.status_code == 200
        assert "To publish" in answer.content.decode()


def test_an_unknown_tab_and_action_are_not_there(world: World, login: Login) -> None:
    client, change = login(world.maintainer), world.change()
    assert client.get(f"/changes/{change.pk}/?tab=nonsense").status_code == 404
    assert client.post(f"/changes/{change.pk}/explode/").status_code == 404
    assert client.get(f"/changes/{change.pk}/submit/").status_code == 405


def test_differences_are_in_words(world: World, login: Login) -> None:
    revision = world.published()
    change = world.edit(world.change(), world.maintainer, "9")
    page = login(world.reviewer).get(f"/changes/{change.pk}/").content.decode()
    assert f"foo.speed on {MACHINES[0]}" in page
    assert f"r{revision.number}" in page


def test_the_bundles_files_are_compared(world: World, login: Login) -> None:
    world.published()
    change = world.edit(world.change(), world.maintainer, "9")
    client = login(world.reviewer)
    address, path = f"/changes/{change.pk}/", f"qemu/machine-types/{MACHINES[0]}/globals.args"
    tab = client.get(f"{address}?tab=bundle").content.decode()
    assert path in tab
    assert "sets `foo.speed=9`, was `foo.speed=5`" in tab
    for asked in (f"{address}?tab=bundle&file={path}", f"{address}bundle/?file={path}"):
        shown = client.get(asked, headers={"HX-Request": "true"}).content.decode()
        assert "- -global foo.speed=5" in shown
        assert "+ -global foo.speed=9" in shown
    assert client.get(f"{address}bundle/?file=x", headers={"HX-Request": "true"}).status_code == 404
    assert client.get(f"{address}bundle/?file={path}")["Location"].startswith(address)


def test_a_long_folder_of_the_bundle_is_fetched_when_it_is_opened(
    world: World, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontend.views.change_tabs.bundle.MAX_OPEN", 0)
    world.published()
    change = world.edit(world.change(), world.maintainer, "9")
    client = login(world.reviewer)
    tab, path = f"/changes/{change.pk}/?tab=bundle", "globals.args</span>"
    assert path not in client.get(tab).content.decode()
    assert path in client.get(f"{tab}&folder=qemu").content.decode()
    part = f"/changes/{change.pk}/bundle/?folder="
    opened = client.get(f"{part}qemu", headers={"HX-Request": "true"}).content.decode()
    assert path in opened
    assert "<html" not in opened
    assert client.get(f"{part}x", headers={"HX-Request": "true"}).status_code == 404


def test_a_first_change_is_told_against_its_seed(world: World, login: Login) -> None:
    change = world.edit(world.change(), world.maintainer, "9")
    client = login(world.reviewer)
    page = client.get(f"/changes/{change.pk}/").content.decode()
    seed = page.partition("data-seed")[2].partition("</p>")[0]
    assert "2 machine types" in seed
    assert "2 entries" in seed
    assert f"/machine-types/?change={change.pk}" in seed
    assert page.count("foo.<b>speed</b>") == 1
    bundle = client.get(
        f"/changes/{change.pk}/?tab=bundle&file=qemu/machine-types/{MACHINES[0]}/globals.args"
    ).content.decode()
    assert "- -global foo.speed=5" in bundle
    assert "+ -global foo.speed=9" in bundle


def test_a_partner_that_is_its_catalogue_alone_is_marked(world: World, login: Login) -> None:
    release("down", "1.1", arrays(), base=world.old)
    change = world.change()
    edits.add_migration(change, world.maintainer, 1, "down 1.1", "down 1.2", "correct")
    page = login(world.reviewer).get(f"/changes/{change.pk}/?tab=trials").content.decode()
    assert page.count("(catalogue)") == 2


def test_the_way_to_a_revision(world: World, login: Login) -> None:
    change = world.change()
    address = f"/changes/{change.pk}/"
    login(world.maintainer).post(f"{address}submit/")
    run_trials(change, world.maintainer)
    change.refresh_from_db()
    page = login(world.reviewer).get(address).content.decode()
    assert change.digest[:12] in page
    login(world.reviewer).post(f"{address}approve/", {"digest": change.digest, "text": "fine"})
    answer = login(world.manager).post(f"{address}publish/", follow=True)
    change.refresh_from_db()
    assert change.status == Status.PUBLISHED
    assert "Published as" in answer.content.decode()


def test_the_author_may_not_approve(world: World, login: Login) -> None:
    change = edits.open_change(world.release, world.other, "Own")
    address = f"/changes/{change.pk}/"
    login(world.other).post(f"{address}submit/")
    change.refresh_from_db()
    assert "Approve" not in login(world.other).get(address).content.decode()
    answer = login(world.other).post(f"{address}approve/", {"digest": change.digest})
    assert answer.status_code == 403
    change.refresh_from_db()
    assert change.status == Status.SUBMITTED


def test_an_approval_of_an_older_content_is_a_conflict(world: World, login: Login) -> None:
    change = world.in_review()
    seen = change.digest
    world.edit(change, world.maintainer)
    answer = login(world.reviewer).post(
        f"/changes/{change.pk}/approve/", {"digest": seen, "text": "long words"}
    )
    assert answer.status_code == 409
    assert "long words" in answer.content.decode()
    change.refresh_from_db()
    assert f'name="digest" value="{change.digest}"' in answer.content.decode()


@pytest.mark.parametrize(
    ("who", "action"),
    [("reviewer", "submit"), ("maintainer", "publish"), ("reviewer", "withdraw")],
)
def test_actions_without_the_role(world: World, login: Login, who: str, action: str) -> None:
    change = world.change()
    before = change.status
    answer = login(getattr(world, who)).post(f"/changes/{change.pk}/{action}/")
    assert answer.status_code == 403
    change.refresh_from_db()
    assert change.status == before


def test_comments_and_requests_for_changes(world: World, login: Login) -> None:
    change = world.in_review()
    client = login(world.reviewer)
    empty = client.post(f"/changes/{change.pk}/comment/", {"text": " "})
    assert empty.status_code == 422
    assert "Write something." in empty.content.decode()
    client.post(f"/changes/{change.pk}/comment/", {"text": "<b>Why?</b>"})
    client.post(
        f"/changes/{change.pk}/request-changes/", {"text": "Not so.", "digest": change.digest}
    )
    page = client.get(f"/changes/{change.pk}/?tab=discussion").content.decode()
    assert "&lt;b&gt;Why?" in page
    assert "Not so." in page


def test_title_and_description(world: World, login: Login) -> None:
    client, change = login(world.maintainer), world.change()
    data = {"title": "Better", "description": "Because", "lock_version": change.lock_version}
    assert client.post(f"/changes/{change.pk}/edit/", data).status_code == 302
    stale = client.post(f"/changes/{change.pk}/edit/", data | {"title": "Late"})
    assert stale.status_code == 409
    assert "Late" in stale.content.decode()
    change.refresh_from_db()
    assert change.title == "Better"
    assert login(world.reviewer).post(f"/changes/{change.pk}/edit/", data).status_code == 403


# --- Declarations ---------------------------------------------------------------------------------


def declare(change: ChangeRequest, **changed: str) -> dict[str, object]:
    return {
        "lock_version": change.lock_version,
        "source": "down 1.2",
        "destination": "up 1.0",
        "machine_type": "",
        "expected": "refused",
        "note": "",
        **changed,
    }


def test_declaring_a_migration_and_taking_it_back(world: World, login: Login) -> None:
    client, change = login(world.maintainer), world.change()
    address = f"/changes/{change.pk}/migrations/"
    assert client.post(address, declare(change)).status_code == 302
    change.refresh_from_db()
    assert change.policy.migrations[0].expected == "refused"
    again = client.post(address, declare(change))
    assert again.status_code == 422
    assert "declared already" in again.content.decode()
    client.post(f"{address}0/remove/", {"lock_version": change.lock_version})
    change.refresh_from_db()
    assert change.policy.migrations == ()


def test_no_migration_is_declared_by_pressing_the_button_alone(world: World, login: Login) -> None:
    """Somebody has to choose where guests come from: no draft promises itself to itself."""
    client, change = login(world.maintainer), world.change()
    page = client.get(f"/changes/{change.pk}/?tab=trials").content.decode()
    form = page[page.index('name="source"') : page.index('name="machine_type"')]
    assert re.findall(r'<option value="([^"]*)" selected', form) == ["", "down 1.2"]
    answer = client.post(f"/changes/{change.pk}/migrations/", declare(change, source=""))
    assert answer.status_code == 422
    change.refresh_from_db()
    assert change.policy.migrations == ()


def test_a_migration_of_others_is_refused_at_its_field(world: World, login: Login) -> None:
    change = world.change()
    answer = login(world.maintainer).post(
        f"/changes/{change.pk}/migrations/", declare(change, source="up 2.0")
    )
    assert answer.status_code == 422
    assert "One of the two has to be down 1.2." in answer.content.decode()


def test_adding_a_mitigation(world: World, login: Login) -> None:
    client, change = login(world.maintainer), world.change()
    data = {
        "lock_version": change.lock_version,
        "started_on": "up 1.0",
        "machine_type": MACHINES[0],
        "entries": "foo.speed=3\n\ndriver=foo,property=speed,value=4",
        "reason": "It shipped broken.",
        "until": "",
    }
    address = f"/changes/{change.pk}/mitigations/"
    bad = client.post(address, data | {"entries": "foo.speed"})
    assert bad.status_code == 422
    assert "Line 1" in bad.content.decode()
    wrong = client.post(address, data | {"entries": "foo.speed=fast"})
    assert wrong.status_code == 422
    assert client.post(address, data).status_code == 302
    change.refresh_from_db()
    assert [entry.value for entry in change.policy.mitigations[0].entries] == ["3", "4"]
    client.post(f"{address}0/remove/", {"lock_version": change.lock_version})
    change.refresh_from_db()
    assert change.policy.mitigations == ()


@pytest.mark.parametrize(
    "address", ["migrations/", "mitigations/", "migrations/0/remove/", "mitigations/0/remove/"]
)
def test_only_maintainers_edit(world: World, login: Login, address: str) -> None:
    change = world.change()
    before = change.digest
    data = declare(change) | {
        "started_on": "up 1.0",
        "machine_type": MACHINES[0],
        "entries": "foo.speed=3",
        "reason": "x",
    }
    answer = login(world.reviewer).post(f"/changes/{change.pk}/{address}", data)
    assert answer.status_code == 403
    change.refresh_from_db()
    assert change.digest == before


def test_who_declares_beside_another_edit_loses_nothing(world: World, login: Login) -> None:
    change = world.change()
    stale = declare(change)
    world.edit(change, world.maintainer, "7")
    login(world.maintainer).post(f"/changes/{change.pk}/migrations/", stale)
    change.refresh_from_db()
    assert len(change.policy.migrations) == 1
    assert change.policy.resolved(MACHINES[0])[0].value == "7"
