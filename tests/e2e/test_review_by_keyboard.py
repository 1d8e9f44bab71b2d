"""A reviewer reads a change, asks, is answered, and approves, without ever touching the mouse."""

from __future__ import annotations

import re
from collections.abc import Callable

from people import Person
from playwright.sync_api import Locator, expect


def _focused(person: Person) -> Locator:
    return person.page.locator(":focus")


def _keys(person: Person, *keys: str) -> None:
    for key in keys:
        person.page.keyboard.press(key)


def test_a_review_by_keyboard(come: Callable[..., Person]) -> None:
    reviewer = come("reviewer")
    page = reviewer.page
    reviewer.open("/changes/2/")

    # Every object is read: its lines one after the other, then it is marked.
    count = page.locator("#read-count")
    total = int(count.inner_text().split()[2])
    for number in range(1, total + 1):
        _keys(reviewer, "n")
        expect(_focused(reviewer)).to_have_class(re.compile("change-line"))
        if number == 1:
            _keys(reviewer, "c")
            expect(_focused(reviewer)).to_have_role("textbox")
            page.keyboard.type("Why is it so?")
            _keys(reviewer, "Control+Enter")
            expect(page.locator("#drafts-waiting")).to_contain_text("1 draft")
        _keys(reviewer, "r")
        expect(count).to_contain_text(f"{number} of {total} objects reviewed")
        expect(_focused(reviewer)).to_have_attribute("aria-pressed", "true")

    # The other tabs, and back.
    _keys(reviewer, "]")
    page.wait_for_url(re.compile("tab=findings"))
    _keys(reviewer, "[")
    page.wait_for_url(re.compile("tab=changes"))

    # The vote takes the draft along.
    _keys(reviewer, "a")
    page.keyboard.type("Read all of it.")
    _keys(reviewer, "Tab")
    expect(_focused(reviewer)).to_have_text("Approve")
    _keys(reviewer, "Enter")
    reviewer.sees("Approved.")
    reviewer.sees("1 thread is open.")


def test_a_short_form_is_closed_by_escape(come: Callable[..., Person]) -> None:
    # Somebody who has read nothing yet: what is marked as read is folded.
    reviewer = come("release")
    reviewer.open("/changes/2/")
    _keys(reviewer, "n", "c")
    expect(_focused(reviewer)).to_have_role("textbox")
    _keys(reviewer, "Escape")
    expect(_focused(reviewer)).to_have_class(re.compile("change-line"))
    expect(reviewer.page.locator("textarea:visible")).to_have_count(1)
