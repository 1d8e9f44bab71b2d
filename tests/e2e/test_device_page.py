"""A device's bits and a machine type's entries, edited with the keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from people import Person
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

Come = Callable[..., Person]
RELEASE = "/releases/rhel/9.2/"
DEVICE = f"{RELEASE}devices/mc146818rtc/?machine_type=pc-q35-rhel9.0.0"
WHY = "No guest of ours relies on the lost ticks."


def test_bits_and_entries_with_the_keyboard_alone(come: Come) -> None:
    person = come("maintainer")
    open_a_change_by_typing_a_value(person)
    turn_over_and_discard(person)
    number = re.search(r"change=(\d+)", person.page.url)
    assert number
    complete_remove_and_undo(person, number[1])


def open_a_change_by_typing_a_value(person: Person) -> None:
    """What was typed survives a look at another page, and an error."""
    person.open(DEVICE)
    value = person.page.get_by_label("vmstate-blacklist", exact=True)
    value.fill("0x100")
    with person.expecting(422):
        value.press("Enter")
        person.sees("Version 8 does not exist: mc146818rtc has versions 1 to 3.")
    value.fill("0xe")
    value.press("Enter")
    person.sees("Why is this version forbidden?")
    person.fill(**{"Why is this version forbidden?": WHY})
    person.page.reload()
    expect(person.field("Why is this version forbidden?")).to_have_value(WHY)
    person.choose(Save_in="a new change request")
    person.fill(**{"Title of a new change request": "The clock's newest version, forbidden"})
    with person.page.expect_navigation():
        person.page.locator("#set-override").press("Enter")
    person.sees("1 bit is saved")
    person.sees(WHY)


def turn_over_and_discard(person: Person) -> None:
    """Arrows move and explain, space turns over, back takes that back."""
    page = person.page
    cell = page.get_by_role("link", name="mc146818rtc version 3")
    expect(cell).to_have_accessible_name(re.compile("tightened"))
    cell.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#why")).to_contain_text("cannot carry")
    page.keyboard.press("Space")
    older = page.get_by_role("link", name="mc146818rtc version 2")
    expect(older).to_have_accessible_name(re.compile("relaxed not saved"))
    expect(older).to_be_focused()
    person.sees("0xe → 0xa")
    page.go_back()
    expect(older).to_have_accessible_name(re.compile("blacklisted by default$"))


def complete_remove_and_undo(person: Person, number: str) -> None:
    page = person.page
    person.open(f"{RELEASE}machine-types/pc-q35-rhel9.0.0/?change={number}")
    person.field("Device type").press_sequentially("virtio-blk-pci-n")
    take(person, "virtio-blk-pci-non-transitional", 1)
    person.field("Property").press_sequentially("legacy")
    take(person, "x-disable-legacy-check", 1)
    person.field("Value").press("ArrowDown")
    take(person, "off", 2)
    page.keyboard.press("Enter")
    named = "Value of virtio-blk-pci-non-transitional.x-disable-legacy-check"
    expect(page.get_by_label(named)).to_contain_text("off")
    page.get_by_role("button", name="Remove x-disable-legacy-check").press("Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label(named)).to_be_focused()


def take(person: Person, name: str, downs: int) -> None:
    """Choose an option with the arrow keys."""
    expect(person.page.get_by_role("option", name=name)).to_be_visible()
    for _ in range(downs):
        person.page.keyboard.press("ArrowDown")
    person.page.keyboard.press("Enter")


def test_a_row_is_dragged_to_another_place(come: Come) -> None:
    person = come("maintainer")
    page = person.page
    person.open("/releases/rhel/9.3/machine-types/pc-q35-rhel9.0.0/?change=2")
    rows = page.locator("[data-entry]")
    name = rows.nth(0).locator(".property").inner_text()
    drag(person, 0, 1, "below")
    expect(rows.nth(1)).to_contain_text(name)
    drag(person, 1, 0, "above")
    expect(rows.nth(0)).to_contain_text(name)


def drag(person: Person, start: int, end: int, where: str) -> None:
    """Take a row by its handle and let it go at another's upper or lower edge."""
    rows = person.page.locator("[data-entry]")
    box = rows.nth(end).bounding_box()
    assert box
    edge: Any = {"x": 40, "y": box["height"] - 3 if where == "below" else 3}
    rows.nth(start).locator("[data-handle]").drag_to(rows.nth(end), target_position=edge)
