"""Lists in the browser: search, filters, columns, choosing rows with mouse and keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from people import Person
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

Come = Callable[..., Person]
TYPES = "/releases/rhel/9.3/machine-types/"
NARROW: dict[str, Any] = {"viewport": {"width": 400, "height": 800}}


def chosen(person: Person) -> Any:
    return person.page.locator("[data-bulk-count]")


def test_a_search_swaps_the_rows_and_back_brings_them_back(come: Come) -> None:
    person = come("reviewer")
    page = person.page
    person.open(TYPES)
    all_rows = page.locator("#rows tbody tr")
    expect(all_rows).to_have_count(11)
    page.get_by_role("searchbox", name="Search machine types").fill("i440fx")
    expect(all_rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=i440fx$"))
    expect(page.locator("#announce")).to_have_text("1 machine type")
    page.go_back()
    expect(all_rows).to_have_count(11)
    expect(page.get_by_role("searchbox", name="Search machine types")).to_have_value("")


def test_a_chip_takes_its_filter_off_and_the_panel_stays_open(come: Come) -> None:
    person = come("reviewer")
    page = person.page
    person.open("/trials/")
    page.get_by_text("Filters", exact=True).click()
    for outcome in ("refused", "correct"):
        page.get_by_role("group", name="Outcome").get_by_label(outcome).check()
        expect(
            page.get_by_role("link", name=f"Remove the filter Outcome: {outcome}")
        ).to_be_visible()
    widths = page.locator("#rows thead th").evaluate_all("all => all.map(one => one.offsetWidth)")
    page.get_by_role("link", name="Remove the filter Outcome: correct").click()
    expect(page.get_by_role("link", name="Remove the filter Outcome: correct")).to_have_count(0)
    expect(page.get_by_role("group", name="Outcome").get_by_label("correct")).not_to_be_checked()
    assert widths == page.locator("#rows thead th").evaluate_all(
        "all => all.map(one => one.offsetWidth)"
    )


def test_a_head_orders_and_keeps_the_focus(come: Come) -> None:
    person = come("reviewer")
    head = person.page.locator("#order-machine_type")
    person.open("/trials/")
    head.focus()
    for direction in ("ascending", "descending"):
        person.page.keyboard.press("Enter")
        column = person.page.get_by_role("columnheader", name="Machine type")
        expect(column).to_have_attribute("aria-sort", direction)
        expect(head).to_be_focused()


def test_rows_are_chosen_by_ranges_and_across_pages(come: Come) -> None:
    person = come("maintainer")
    page = person.page
    person.open("/releases/rhel/9.3/devices/?size=25&show=state")
    act = page.get_by_role("button", name="Relax or tighten a version")
    expect(act).to_be_disabled()
    boxes = page.locator("[data-pick]")
    boxes.nth(2).click()
    boxes.nth(5).click(modifiers=["Shift"])
    expect(chosen(person)).to_have_text("4 chosen")
    expect(act).to_be_enabled()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("26–50 of")).to_be_visible()
    expect(chosen(person)).to_have_text("4 chosen, 4 of them not on this page")
    boxes.nth(0).focus()
    page.keyboard.press("Space")
    expect(chosen(person)).to_have_text("5 chosen, 4 of them not on this page")
    act.click()
    expect(page.get_by_text("5 rows", exact=True)).to_be_visible()
    page.get_by_role("link", name="Back to the list").first.click()
    expect(page.get_by_text("26–50 of")).to_be_visible()


def test_all_that_fit_are_chosen_by_their_filter(come: Come) -> None:
    person = come("maintainer")
    page = person.page
    person.open(f"{TYPES}?q=q35")
    page.get_by_label("All that fit: 10 machine types").check()
    expect(chosen(person)).to_have_text("10 chosen")
    person.press("Change a property")
    person.fill(Device_type="virtio-rng-pci", Property="vectors", Value="many")
    person.fill(Title_of_a_new_one="Tried only")
    page.keyboard.press("Escape")
    person.press("Try it with every row")
    expect(page.get_by_role("row").filter(has_text="pc-q35-rhel8.0.0")).to_contain_text("✕")
    expect(page.get_by_text("10 rows cannot")).to_be_visible()
    person.sees("Nothing can be done.")


def test_columns_are_chosen_by_a_person_for_themselves(come: Come) -> None:
    person = come("release")
    page = person.page
    person.open("/audit/")
    expect(page.get_by_role("columnheader", name="Hash")).to_have_count(0)
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Hash").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("columnheader", name="Hash")).to_be_visible()
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("button", name="As everybody").click()
    expect(page.get_by_role("columnheader", name="Hash")).to_have_count(0)


def test_a_filter_is_saved_and_opens_the_list(come: Come) -> None:
    person = come("release")
    page = person.page
    person.open("/trials/?outcome=refused")
    page.get_by_text("Saved filters", exact=False).first.click()
    page.get_by_label("Save the present filter as").fill("Refused ones")
    page.locator(".save-filter").get_by_role("button", name="Save").click()
    person.open("/trials/")
    page.get_by_text("Saved filters", exact=False).first.click()
    page.get_by_role("link", name="Refused ones").click()
    expect(page).to_have_url(re.compile(r"/trials/\?outcome=refused$"))
    page.get_by_text("Saved filters", exact=False).first.click()
    page.locator("summary", has_text="Change").click()
    page.get_by_role("button", name="Delete").click()
    person.sees("“Refused ones” is deleted.")


def test_without_scripts_lists_are_filtered_and_paged(come: Come) -> None:
    person = come("maintainer", java_script_enabled=False)
    page = person.page
    person.open("/releases/rhel/9.3/devices/")
    page.get_by_role("searchbox", name="Search devices").fill("e")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page).to_have_url(re.compile("q=e"))
    page.get_by_role("link", name="25 rows a page").click()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("26–")).to_be_visible()


def test_on_a_narrow_screen_each_row_is_a_block(come: Come) -> None:
    person = come("maintainer", **NARROW)
    person.open("/trials/")
    row = person.page.locator("#rows tbody tr").first
    assert not person.is_too_wide()
    assert row.locator("td[data-label='Outcome']").evaluate("e => e.offsetLeft") < 40
    expect(row.get_by_role("checkbox")).to_be_in_viewport()
