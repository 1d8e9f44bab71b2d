"""What is shown to be taken elsewhere is copied by a button: a secret, commands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from people import Person
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.browser

Come = Callable[..., Person]
CLIPBOARD = ["clipboard-read", "clipboard-write"]


def press_copy(person: Person, name: str) -> str:
    """With the keyboard; returns what is on the clipboard then."""
    button = person.page.get_by_role("button", name=name, exact=True)
    before = place(button)
    button.press("Enter")
    expect(button.get_by_text("Copied")).to_be_visible()
    expect(person.page.locator("#announce")).to_have_text("Copied")
    expect(button).to_be_focused()
    assert place(button) == before
    return str(person.page.evaluate("navigator.clipboard.readText()"))


def place(button: Locator) -> dict[str, float]:
    box = button.bounding_box()
    assert box
    return dict(box)


def test_a_tokens_secret_is_copied(come: Come) -> None:
    person = come("release", permissions=CLIPBOARD, viewport={"width": 400, "height": 800})
    person.open("/accounts/tokens/")
    person.fill(Name="package build")
    person.send("Issue")
    shown = person.page.locator("pre.secret")
    # Whoever copies by hand sees all of it as well.
    assert shown.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert press_copy(person, "Copy the secret") == shown.inner_text()


def test_commands_are_copied_line_by_line(come: Come) -> None:
    person = come("reviewer", permissions=CLIPBOARD)
    person.open("/bundles/rhel/9.2/")
    lines = press_copy(person, "Copy the commands").splitlines()
    assert lines[0].startswith("curl --fail --remote-name http")
    assert lines[-1] == "python3 lockstep-verify.pyz lockstep-rhel-9.2-r1.tar.gz"


def test_where_copying_is_refused_the_text_is_selected(come: Come) -> None:
    person = come("reviewer")
    person.open("/bundles/rhel/9.2/")
    person.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
    person.press("Copy the commands")
    expect(person.page.locator("#announce")).to_contain_text("copy it with the keyboard")
    selected = person.page.evaluate("getSelection().toString()")
    assert selected == person.page.locator("pre.command").inner_text()


def test_without_a_clipboard_there_is_no_button(come: Come) -> None:
    person = come("reviewer", java_script_enabled=False)
    person.open("/bundles/rhel/9.2/")
    expect(person.page.get_by_role("button", name="Copy the commands")).to_have_count(0)
