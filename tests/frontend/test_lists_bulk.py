"""What is done with many rows at once: tried with every row, then done, and told to nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from policy_world import MACHINES, World, person
from signed_in import Login

from frontend.bulk import one_by_one
from frontend.lists.selection import MAX_ROWS
from policy import edits
from policy.models import AuditEntry, ChangeRequest, Trial
from workers.models import Job

PLACE = "?tree=down&version=1.2"
ADD = f"/bulk/machine-types/add-entry/{PLACE}"
ENTRY = {"driver": "foo", "property": "speed", "value": "3"}
BACK = "/releases/down/1.2/machine-types/?q=q35"


def sent(**fields: Any) -> dict[str, Any]:
    return {"row": list(MACHINES), "back": BACK, **ENTRY, **fields}


def trial(world: World, key: str, state: str, outcome: str = "") -> Trial:
    return Trial.objects.create(
        key=key * 64, source=world.old, destination=world.release, machine_type="pc", inputs={},
        state=state, outcome=outcome, error="boom" if state == "failed" else "",
    )  # fmt: skip


# --- Choosing rows --------------------------------------------------------------------------------


def test_nothing_chosen_leads_back_with_its_filter(world: World, login: Login) -> None:
    client = login(world.maintainer)
    answer = client.post(ADD, {"back": BACK}, follow=True)
    assert answer.redirect_chain == [(BACK, 302)]
    assert "Choose at least one row." in answer.text


def test_all_means_all_that_fit_on_the_server(world: World, login: Login) -> None:
    for number in range(60):
        edits.open_change(world.release, world.maintainer, f"Number {number}")
    page = login(world.maintainer).post(
        "/bulk/changes/withdraw/", {"all": "60", "filter": "q=Number", "back": "/changes/"}
    )
    assert "60 rows can be done" in page.text
    assert '<input type="hidden" name="all" value="60">' in page.text
    assert ChangeRequest.objects.filter(status="draft").count() == 60


def test_rows_that_came_meanwhile_are_told_before_anything_is_done(
    world: World, login: Login
) -> None:
    world.change()
    world.change()
    both = {"all": "1", "filter": "", "step": "do", "back": "/changes/"}
    answer = login(world.maintainer).post("/bulk/changes/withdraw/", both)
    assert answer.status_code == 409
    assert "1 rows fitted the filter when you chose them, 2 do now." in answer.text
    assert not ChangeRequest.objects.filter(status="withdrawn").exists()


def test_no_more_rows_than_can_be_judged(world: World, login: Login) -> None:
    change = world.change()
    present = ChangeRequest.objects.values().get(pk=change.pk)
    ChangeRequest.objects.bulk_create(
        ChangeRequest(**{**present, "id": None}) for _ in range(MAX_ROWS + 1)
    )
    everything = {"all": str(MAX_ROWS + 2), "filter": "", "back": "/changes/"}
    answer = login(world.maintainer).post("/bulk/changes/withdraw/", everything, follow=True)
    assert f"At most {MAX_ROWS} rows at once" in answer.text


def test_what_would_take_minutes_is_refused(
    world: World, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_by_one, "MAX_SECONDS", 0)
    both = [world.change().pk, world.change().pk]
    answer = login(world.maintainer).post("/bulk/changes/submit/", {"row": both, "back": "/"})
    assert answer.status_code == 422
    assert "choose about" in answer.text


# --- Trying and doing -----------------------------------------------------------------------------


def test_the_form_is_asked_first_and_names_the_rows(world: World, login: Login) -> None:
    page = login(world.maintainer).post(ADD, {"row": list(MACHINES), "back": BACK})
    assert page.status_code == 200
    assert "What is done with each" in page.text
    for name in MACHINES:
        assert f'<input type="hidden" name="row" value="{name}">' in page.text


def test_a_dry_run_tells_every_row_and_writes_nothing(world: World, login: Login) -> None:
    change = world.change()
    wrong = sent(into=change.pk, value="many", step="try")
    page = login(world.maintainer).post(ADD, wrong).text
    assert page.count("foo.speed") >= 2
    assert "2 rows cannot" in page
    assert "Nothing can be done." in page
    change.refresh_from_db()
    assert change.lock_version == 1
    assert AuditEntry.objects.filter(action="add entry").count() == 0


def test_edits_of_many_machine_types_are_one_edit_of_a_draft(world: World, login: Login) -> None:
    change = world.change()
    client = login(world.maintainer)
    assert "2 rows can be done" in client.post(ADD, sent(into=change.pk, step="try")).text
    answer = client.post(ADD, sent(into=change.pk, step="do"))
    assert answer.headers["Location"] == f"/changes/{change.pk}/"
    change.refresh_from_db()
    last = [item.entries[-1] for item in change.policy.machine_types]
    assert {(item.driver, item.property, item.value) for item in last} == {("foo", "speed", "3")}
    assert AuditEntry.objects.filter(action="add entry").count() == 1


def test_what_others_edited_since_it_was_tried_is_not_overwritten(
    world: World, login: Login
) -> None:
    change = world.change()
    client, address = login(world.maintainer), f"/bulk/machine-types/change-entry/{PLACE}"
    asked = sent(row=[MACHINES[0]], into=change.pk)
    tried = client.post(address, {**asked, "step": "try"})
    assert '<input type="hidden" name="tried" value="1">' in tried.text
    world.edit(change, world.other, "7")
    answer = client.post(address, {**asked, "step": "do", "tried": "1"})
    assert answer.headers["Location"].startswith(f"/changes/{change.pk}/merge/")
    change.refresh_from_db()
    assert change.policy.machine_types[0].entries[0].value == "7"


def test_a_new_change_request_is_opened_for_them(world: World, login: Login) -> None:
    client = login(world.maintainer)
    answer = client.post(ADD, sent(step="try"))
    assert answer.status_code == 422
    assert "Say what the new change request is for." in answer.text
    client.post(ADD, sent(step="do", title="Slower"))
    assert ChangeRequest.objects.get().title == "Slower"


def test_rows_with_an_error_are_left_out_only_when_asked(world: World, login: Login) -> None:
    change = world.change()
    client = login(world.maintainer)
    address = f"/bulk/machine-types/remove-entry/{PLACE}"
    # Only the older machine type sets it twice: one entry of its own remains named.
    change = edits.add_machine_type(change, world.maintainer, 1, "pc-bare", MACHINES[0])
    named = sent(row=[*MACHINES, "pc-bare"], into=change.pk, step="do")
    where = f"{address}&change={change.pk}"
    answer = client.post(where, named)
    assert answer.status_code == 422
    assert "1 row cannot" in answer.text
    assert client.post(where, {**named, "without": "faulty"}).status_code == 302
    change.refresh_from_db()
    assert all(not item.entries for item in change.policy.machine_types)


def test_a_version_is_overridden_in_sections_of_many_devices(world: World, login: Login) -> None:
    change = world.change()
    fields = {
        "row": ["foo", "big"], "sections": "main", "version": "1", "action": "tighten",
        "justification": "Broken.", "into": change.pk, "back": "/", "step": "try",
    }  # fmt: skip
    client = login(world.maintainer)
    page = client.post(f"/bulk/devices/override/{PLACE}", fields).text
    assert "tighten foo v1" in page
    assert "Version 1 is blacklisted by default." in page  # big's
    done = {**fields, "step": "do", "without": "faulty"}
    client.post(f"/bulk/devices/override/{PLACE}", done)
    change.refresh_from_db()
    assert [(item.device, item.version) for item in change.policy.overrides] == [("foo", 1)]
    client.post(f"/bulk/devices/clear-override/{PLACE}", done)
    change.refresh_from_db()
    assert change.policy.overrides == ()


def test_changes_are_sent_to_review_together(world: World, login: Login) -> None:
    there, ready = world.in_review(), world.harmless(world.change())
    rows = {"row": [ready.pk, there.pk], "back": "/changes/?status=draft"}
    client = login(world.maintainer)
    page = client.post("/bulk/changes/submit/", rows).text
    assert "1 row can be done" in page
    assert "1 row cannot" in page
    done = {**rows, "step": "do", "without": "faulty"}
    answer = client.post("/bulk/changes/submit/", done)
    assert answer.headers["Location"] == "/changes/?status=draft"
    ready.refresh_from_db()
    assert ready.status == "submitted"


def test_trials_that_could_not_run_are_run_again(world: World, login: Login) -> None:
    failed, done = trial(world, "a", "failed"), trial(world, "b", "done", "correct")
    rows = {"row": [failed.pk, done.pk], "back": "/trials/", "step": "do", "without": "faulty"}
    page = login(world.reviewer).post("/bulk/trials/run-again/", {**rows, "step": ""}).text
    assert "The same inputs always end the same." in page
    login(world.reviewer).post("/bulk/trials/run-again/", rows)
    failed.refresh_from_db()
    assert (failed.state, failed.error) == ("queued", "")
    assert Job.objects.get().payload["trials"] == [failed.pk]
    assert AuditEntry.objects.filter(action="run trial again").count() == 1


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [ADD, "/bulk/changes/submit/",
                                     f"/bulk/devices/override/{PLACE}"])  # fmt: skip
def test_whoever_may_not_edit_is_offered_nothing(world: World, login: Login, address: str) -> None:
    change = world.change()
    answer = login(world.reviewer).post(address, sent(row=[change.pk, *MACHINES], step="do"))
    assert answer.status_code == 403
    assert ChangeRequest.objects.get().lock_version == 1


def test_a_strangers_trials_are_nobody_elses(world: World, login: Login) -> None:
    failed = trial(world, "a", "failed")
    answer = login(person("nobody")).post("/bulk/trials/run-again/", {"row": [failed.pk]})
    assert answer.status_code == 403
    failed.refresh_from_db()
    assert failed.state == "failed"


def test_addresses_that_are_none(world: World, login: Login) -> None:
    client: Client = login(world.maintainer)
    assert client.post("/bulk/trials/explode/", {}).status_code == 404
    assert client.post("/bulk/nothing/submit/", {}).status_code == 404
    assert client.post("/bulk/machine-types/add-entry/?tree=no&version=1", {}).status_code == 404
    assert client.get("/bulk/changes/submit/").status_code == 302
    for address in ("machine-types/add-entry/?tree=down", "changes/submit/?tree=down&version=1.2"):
        assert client.get(f"/bulk/{address}").status_code == 404
        assert client.post(f"/bulk/{address}", {"row": MACHINES[0]}).status_code == 404
