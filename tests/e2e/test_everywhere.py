"""What is the same on every page: search, keys, what comes by itself, an ended session."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from people import Person
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

Come = Callable[..., Person]


def test_everything_is_found_with_the_keyboard(come: Come) -> None:
    person = come("reviewer")
    page, box = person.page, person.page.get_by_role("combobox", name="Search everything")
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.keyboard.type("scsi-block")
    expect(page.get_by_role("option", name="scsi-block", exact=False).first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("option").first).to_be_hidden()
    page.keyboard.press("Control+k")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/devices/scsi-block/")


def test_keys_lead_about_and_are_listed(come: Come) -> None:
    person = come("reviewer")
    page = person.page
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/trials/")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys that work here")
    expect(dialog.get_by_text("Next, previous row")).to_be_visible()
    expect(dialog.get_by_text("Mark as reviewed")).to_be_hidden()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("o")
    page.wait_for_url("**/trials/*/")
    page.keyboard.press("u")
    page.wait_for_url("**/trials/")


def test_who_switches_keys_off_may_press_anything(come: Come) -> None:
    person = come("release")
    person.open("/accounts/settings/")
    person.field("Single letters are shortcuts").uncheck()
    person.send("Save")
    person.page.keyboard.press("?")
    person.page.keyboard.press("g")
    person.page.keyboard.press("t")
    expect(person.page.get_by_role("dialog")).to_have_count(0)
    assert person.page.url.endswith("/accounts/settings/")
    person.field("Single letters are shortcuts").check()
    person.send("Save")


def test_finished_work_is_told_on_whatever_page_one_is(come: Come) -> None:
    person = come("maintainer")
    person.open("/trials/?outcome=refused")
    person.page.locator("[data-rows] [data-row-link]").first.click()
    # Another test may have searched before.
    person.page.get_by_role("button", name=re.compile("Suggest mitigations|Search again")).click()
    person.page.wait_for_load_state()
    person.open("/releases/")
    toast = person.page.locator("#messages").get_by_text("Mitigations for").first
    expect(toast).to_be_visible()
    person.follow("Show", where="#messages")
    person.sees("begun, attempt 1")
    person.open("/jobs/")
    expect(person.row("Mitigations for").first).to_be_visible()


def test_an_ended_session_is_told_and_leads_back(come: Come) -> None:
    person = come("reviewer")
    person.open("/trials/")
    person.page.context.clear_cookies()
    with person.expecting(401):
        person.page.get_by_role("searchbox").last.fill("pc-q35")
    person.sees("Your session has ended.")
    person.page.get_by_role("link", name="Sign in, and come back here").first.click()
    person.page.wait_for_url(re.compile(r"/accounts/login/\?next=%2Ftrials%2F"))


def test_newer_rows_wait_until_one_asks(come: Come) -> None:
    """A list that somebody reads does not move; it says that there is something newer."""
    person = come("reviewer")
    person.open("/trials/")
    rows = person.page.locator("[data-rows] [data-row-link]")
    newest = rows.first.inner_text()
    # As the page was before the newest trial was there.
    person.page.evaluate("document.querySelector('[data-rows] > tr').remove()")
    second = rows.first.inner_text()
    asks_again(person)
    button = person.page.get_by_role("button", name="1 newer · Show")
    expect(button).to_be_visible()
    assert rows.first.inner_text() == second
    button.click()
    expect(rows.first).to_have_text(newest)
    expect(button).to_have_count(0)


def asks_again(person: Person) -> None:
    """As it does when one comes back to the tab: the page asks at once for what is newer."""
    with person.page.expect_response(lambda response: "/trials/" in response.url):
        person.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
