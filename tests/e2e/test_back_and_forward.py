"""The browser's back and forward lead through what was swapped in, as through pages."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from people import Person
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

Come = Callable[..., Person]
#: Where one begins, and what one follows there, in order: each swaps a part and has an address.
WAYS = (
    ("/trials/", "#order-machine_type", "#order-outcome"),
    ("/releases/rhel/9.3/devices/", "#order-name", "#order-name"),
    (
        "/changes/2/?tab=trials",
        ".chip[href*='show=passed']",
        ".chip[href$='show=']",
    ),
    (
        "/releases/rhel/9.3/machine-types/pc-q35-rhel9.2.0/",
        "#view-order",
        "#view-difference",
    ),
    ("/trials/matrix/?machine_type=all", "td.forward a >> nth=0", "td.forward a >> nth=1"),
)


def seen(person: Person) -> str:
    """What stands on the page, but for ages of things and what is told under the mouse."""
    person.page.mouse.move(0, 0)
    text = person.page.locator("main").inner_text()
    # Django parts a number from its unit by a space that does not break.
    return re.sub(r"\d+\s(second|minute)s? ago|just now|\s+", " ", text).strip()


def shows(person: Person, text: str) -> None:
    """Wait until the page is as it was."""
    until = time.monotonic() + 10
    while seen(person) != text and time.monotonic() < until:
        person.page.wait_for_timeout(50)
    assert seen(person) == text


@pytest.mark.parametrize(("start", "first", "second"), WAYS)
def test_back_and_forward_lead_through_swaps(
    come: Come, start: str, first: str, second: str
) -> None:
    person = come("reviewer")
    page = person.page
    person.open(start)
    visited = [(page.url, seen(person))]
    for link in (first, second):
        page.locator("main").locator(link).first.click()
        expect(page).not_to_have_url(visited[-1][0])
        expect(page.locator(".htmx-request")).to_have_count(0)
        page.wait_for_load_state("networkidle")
        visited.append((page.url, seen(person)))
    page.evaluate("window.isTheSamePage = true")
    for url, text in (visited[1], visited[0]):
        page.go_back()
        expect(page).to_have_url(url)
        shows(person, text)
    for url, text in visited[1:]:
        page.go_forward()
        expect(page).to_have_url(url)
        shows(person, text)
