"""A long description is folded to its first lines, and says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from people import Person
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

Come = Callable[..., Person]
#: How much of the text is not to be seen, in CSS pixels
HIDDEN = "one => one.scrollHeight - one.clientHeight"


@pytest.mark.parametrize("width", [1280, 400])
def test_all_of_it_is_one_key_away(come: Come, width: int) -> None:
    """Without scripts as well."""
    viewport = {"width": width, "height": 800}
    person = come("reviewer", java_script_enabled=False, viewport=viewport)
    person.open("/changes/2/")
    description = person.page.get_by_role("group", name="Description")
    lines, more = description.locator(".lines"), description.locator("summary")
    expect(more).to_have_text("Show all", use_inner_text=True)
    assert lines.evaluate(HIDDEN) > 40
    more.press("Enter")
    expect(more).to_have_text("Show less", use_inner_text=True)
    expect(more).to_be_focused()
    assert lines.evaluate(HIDDEN) == 0
    more.press("Enter")
    assert lines.evaluate(HIDDEN) > 40


def test_a_short_one_is_whole(come: Come) -> None:
    person = come("reviewer", viewport={"width": 400, "height": 800})
    person.open("/changes/1/")
    description = person.page.get_by_role("group", name="Description")
    expect(description).to_contain_text("on every machine type that both releases have.")
    expect(description.locator("summary")).to_have_count(0)
