"""What every list page does: filters, chips, order, pages, columns, saved filters, exports."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from policy_world import World, person
from signed_in import Login

from frontend.models import ListChoice, SavedFilter
from policy import edits
from policy.models import AuditEntry, ChangeRequest, Feature, Role, Trial

LISTS = (
    "/releases/",
    "/releases/down/1.2/machine-types/",
    "/releases/up/2.0/devices/",
    "/features/",
    "/changes/",
    "/trials/",
    "/bundles/",
    "/imports/",
    "/audit/",
)


def everybody() -> User:
    return person("everybody", *Role)


@pytest.mark.parametrize("address", LISTS)
def test_whoever_knows_one_list_knows_all(world: World, login: Login, address: str) -> None:
    client = login(everybody())
    page = client.get(address).text
    assert 'id="filters"' in page
    assert "Saved filters" in page
    assert "aria-sort" in page or "empty-state" in page
    headers = {"HX-Request": "true", "HX-Target": "rows"}
    rows = client.get(address, {"q": "nothing-is-called-so"}, headers=headers).text
    assert "<html" not in rows
    assert 'id="filters"' not in rows
    assert "Nothing fits" in rows
    assert "Remove the filter" in rows
    headers["HX-Target"] = "list"
    whole = client.get(address, headers=headers).text
    assert 'id="filters"' in whole
    assert "<html" not in whole


@pytest.mark.parametrize("address", LISTS)
def test_what_no_filter_knows_is_said(world: World, login: Login, address: str) -> None:
    rubbish = {"order": "-bogus", "page": "-7", "size": "x", "status": "bogus",
               "outcome": "bogus", "tree": "bogus", "since": "never",
               "marked": "bogus", "show": "bogus", "gate": "bogus", "revoked": "bogus"}  # fmt: skip
    answer = login(everybody()).get(address, rubbish)
    assert answer.status_code == 200
    assert "Not filtered by" in answer.text


def fill(world: World) -> None:
    """Many rows for every list that has any number of them."""
    change = world.change()
    Trial.objects.bulk_create(
        Trial(key=f"{n:064}", source=world.old, destination=world.new, machine_type="pc",
              inputs={}, state="done", outcome="refused")
        for n in range(130)
    )  # fmt: skip
    present = ChangeRequest.objects.values().get(pk=change.pk)
    ChangeRequest.objects.bulk_create(
        ChangeRequest(**{**present, "id": None, "title": f"Change {n}"}) for n in range(130)
    )
    entry = AuditEntry.objects.values().first()
    assert entry is not None
    AuditEntry.objects.bulk_create(
        AuditEntry(**{**entry, "id": None, "hash": f"{n:064}"}) for n in range(130)
    )
    Feature.objects.bulk_create(
        Feature(slug=f"f-{n}", title=f"F {n}", device="foo", introduced=world.new,
                carriers=[{"section": "foo", "subsection": False, "version": 2, "fields": []}],
                created_by=world.maintainer)
        for n in range(130)
    )  # fmt: skip


@pytest.mark.parametrize("address", LISTS)
def test_a_list_makes_few_queries(
    world: World, login: Login, django_assert_max_num_queries: Any, address: str
) -> None:
    fill(world)
    client = login(everybody())
    client.get(address)
    with django_assert_max_num_queries(25):
        page = client.get(address, {"size": "100", "tree": "down", "release": world.release.pk})
    assert page.status_code == 200
    assert len(page.content) < 200_000


def test_what_waits_does_not_push_the_list_away(world: World, login: Login) -> None:
    for number in range(7):
        edits.open_change(world.release, world.maintainer, f"Number {number}")
    page = login(world.maintainer).get("/changes/").text
    assert page.count('class="turn-row"') == 5
    assert "All 7 that wait for you" in page


# --- Filters and chips ----------------------------------------------------------------------------


def test_each_value_of_a_filter_has_its_chip(world: World, login: Login) -> None:
    page = login(world.reviewer).get("/trials/?outcome=refused&outcome=corrupt&state=done").text
    for value, rest in (("refused", "outcome=corrupt&amp;state=done"),
                        ("corrupt", "outcome=refused&amp;state=done")):  # fmt: skip
        assert f"Remove the filter Outcome: {value}" in page
        assert f'href="?{rest}"' in page
    assert 'href="/trials/"' in page  # clears all


def test_several_values_mean_any_of_them(world: World, login: Login) -> None:
    world.change()
    given_up = edits.open_change(world.release, world.other, "Given up")
    ChangeRequest.objects.filter(pk=given_up.pk).update(status="withdrawn")
    client = login(world.reviewer)
    shown = client.get("/changes/?status=draft&status=withdrawn").text
    assert "A change" in shown
    assert "Given up" in shown
    assert "Given up" not in client.get("/changes/?status=draft").text


def test_what_is_open_is_shown_until_the_filter_is_taken_off(world: World, login: Login) -> None:
    change = world.change()
    ChangeRequest.objects.filter(pk=change.pk).update(status="withdrawn")
    client = login(world.reviewer)
    page = client.get("/changes/").text
    assert "Remove the filter Status: open" in page
    assert f"/changes/{change.pk}/" not in page
    assert 'href="?filters=own"' in page
    assert f"/changes/{change.pk}/" in client.get("/changes/?filters=own").text


def test_the_audit_log_is_filtered_by_days(world: World, login: Login) -> None:
    world.change()
    client = login(world.reviewer)
    assert "Nothing fits" in client.get("/audit/?since=2999-01-01").text
    assert "Nothing fits" in client.get("/audit/?until=1999-01-01").text
    assert "A change</a>" in client.get("/audit/?since=1999-01-01&until=2999-01-01").text


def test_machine_types_are_found_by_what_they_set(world: World, login: Login) -> None:
    world.edit(world.change(), world.maintainer, "71")
    change = ChangeRequest.objects.get()
    address = f"/releases/down/1.2/machine-types/?change={change.pk}&sets=foo.speed%3D71"
    page = login(world.reviewer).get(address).text
    assert "pc-q35-down1.2.0</b>" in page
    assert f'<input type="hidden" name="change" value="{change.pk}">' in page


# --- Order and pages ------------------------------------------------------------------------------


def test_a_column_orders_and_orders_the_other_way(world: World, login: Login) -> None:
    client = login(world.reviewer)
    page = client.get("/releases/?order=release").text
    assert 'aria-sort="ascending"' in page
    assert 'href="?order=-release"' in page
    assert page.index("<b>down 1.2</b>") < page.index("<b>up 1.0</b>")
    other = client.get("/releases/?order=-release").text
    assert other.index("<b>up 2.0</b>") < other.index("<b>down 1.2</b>")


def test_names_are_ordered_by_their_numbers(client: Client, world: World, login: Login) -> None:
    page = login(world.reviewer).get("/releases/down/1.2/machine-types/?order=name").text
    assert page.index("<b>pc-q35-down1.1.0") < page.index("<b>pc-q35-down1.2.0")


def test_pages_keep_filter_order_and_size(world: World, login: Login) -> None:
    fill(world)
    client = login(world.reviewer)
    page = client.get("/features/?q=F&order=title&size=25&page=2").text
    assert "26–50 of 130" in page
    assert 'href="?q=F&amp;order=title&amp;size=25&amp;page=3"' in page
    assert "101–130 of 130" in client.get("/features/?size=100&page=999").text


# --- What a person keeps --------------------------------------------------------------------------


def test_columns_are_chosen_ordered_and_forgotten(world: World, login: Login) -> None:
    client = login(world.reviewer)
    world.change()
    keep = {"back": "/audit/?q=A", "columns": ["person", "when", "hash"], "size": "25"}
    answer = client.post("/lists/audit/columns/", keep)
    assert answer.headers["Location"] == "/audit/?q=A"
    page = client.get("/audit/").text
    assert page.index('id="order-person"') < page.index('id="order-when"')
    assert 'id="order-action"' not in page
    answer = client.post("/lists/audit/columns/", {**keep, "down": "person"})
    assert answer.headers["Location"] == "/audit/?q=A#column-person"
    assert ListChoice.objects.get().columns == ["when", "person", "hash"]
    client.post("/lists/audit/columns/", {**keep, "do": "forget"})
    assert not ListChoice.objects.exists()


def test_no_column_at_all_is_refused(world: World, login: Login) -> None:
    client = login(world.reviewer)
    answer = client.post(
        "/lists/audit/columns/", {"columns": ["x"], "back": "/audit/"}, follow=True
    )
    assert "Choose at least one column." in answer.text
    assert client.post("/lists/nothing/columns/", {}).status_code == 404


def test_a_filter_is_saved_renamed_opened_with_and_deleted(world: World, login: Login) -> None:
    client = login(world.reviewer)
    sent = {"name": "Bad ones", "query": "outcome=corrupt&page=3&order=number", "back": "/trials/"}
    answer = client.post("/lists/trials/filters/", sent)
    assert answer.headers["Location"] == "/trials/?outcome=corrupt"
    saved = SavedFilter.objects.get()
    assert "Bad ones" in client.get("/trials/").text
    address = f"/lists/trials/filters/{saved.pk}/"
    client.post(address, {"do": "rename", "name": "Worst", "back": "/trials/"})
    client.post(address, {"do": "default", "back": "/trials/"})
    answer = client.get("/trials/")
    assert answer.headers["Location"] == "/trials/?outcome=corrupt"
    assert "Worst" in client.get("/trials/?outcome=corrupt").text
    assert client.get("/trials/?filters=own").status_code == 200
    client.post(address, {"do": "delete", "back": "/trials/"})
    assert not SavedFilter.objects.exists()


def test_a_saved_filter_is_its_persons_own(world: World, login: Login) -> None:
    saved = SavedFilter.objects.create(
        user=world.reviewer, kind="trials", name="Mine", query="state=done"
    )
    client = login(world.maintainer)
    assert "Mine" not in client.get("/trials/").text
    answer = client.post(f"/lists/trials/filters/{saved.pk}/", {"do": "delete"})
    assert answer.status_code == 404
    assert SavedFilter.objects.exists()


@pytest.mark.parametrize("back", ["https://example.org/", "//example.org/", "nowhere", "logout"])
def test_no_filter_is_not_saved_and_no_other_site_is_led_to(
    world: World, login: Login, back: str
) -> None:
    client = login(world.reviewer)
    sent = {"name": "Nothing", "query": "page=2&bogus=1", "back": back}
    answer = client.post("/lists/trials/filters/", sent)
    assert not SavedFilter.objects.exists()
    assert answer.headers["Location"].startswith("/?")


# --- Exports --------------------------------------------------------------------------------------


def test_all_rows_that_fit_are_exported_with_the_columns_seen(world: World, login: Login) -> None:
    fill(world)
    client = login(world.reviewer)
    content = b"".join(client.get("/features/?q=F&export=csv")).decode()  # type: ignore[arg-type]
    table = list(csv.reader(io.StringIO(content)))
    assert table[0][:2] == ["Feature", "Device type"]
    assert len(table) == 131
    told = json.loads(b"".join(client.get("/features/?q=F+129&export=json")))  # type: ignore[arg-type]
    assert {"title": "F 129", "device": "foo"}.items() <= told[0].items()
    assert client.get("/features/?export=pdf").status_code == 400


def test_no_cell_of_an_export_is_a_formula(world: World, login: Login) -> None:
    fill(world)
    Feature.objects.filter(slug="f-0").update(title="=1+1")
    content = b"".join(login(world.reviewer).get("/features/?export=csv")).decode()  # type: ignore[arg-type]
    assert "'=1+1" in content
