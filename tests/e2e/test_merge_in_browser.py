"""Two people edit the same entry of one draft: the second chooses, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable

from people import Person
from playwright.sync_api import expect

from tests.conftest import LiveStack

Come = Callable[..., Person]
MACHINE_TYPE = "pc-q35-rhel9.2.0"
OPEN = """
from django.contrib.auth.models import User
from machines.models import Release
from policy import edits

release = Release.objects.get(tree__name="rhel", version="9.3")
author = User.objects.get(username="maintainer")
print(edits.open_change(release, author, "Edited by two").pk)
"""


def add(person: Person, value: str) -> None:
    person.fill(Device_type="virtio-blk-pci", Property="queue-size", Value=value)
    person.field("Value").press("Enter")


def test_the_second_of_two_chooses_what_stays(come: Come, live_stack: LiveStack) -> None:
    change = live_stack.manage("shell", "-v0", "-c", OPEN).strip()
    address = f"/releases/rhel/9.3/machine-types/{MACHINE_TYPE}/?change={change}"
    first, second = come("maintainer"), come("maintainer", viewport={"width": 400, "height": 800})
    for person in (first, second):
        person.open(address)
    add(first, "128")
    expect(first.page.get_by_label("Value of virtio-blk-pci.queue-size")).to_contain_text("128")
    add(second, "256")
    second.sees("Merge your edit")
    assert not second.is_too_wide()
    theirs = second.page.get_by_role("radio", name="Theirs, maintainer 128")
    theirs.focus()
    theirs.press("ArrowDown")
    expect(second.page.get_by_role("radio", name="Mine 256")).to_be_checked()
    typed = second.page.get_by_role("textbox", name="Another value")
    typed.fill("512")
    expect(second.page.get_by_role("radio", name="Another value")).to_be_checked()
    typed.press("Enter")
    second.sees("Your edit is merged")
    second.open(address)
    expect(second.page.get_by_label("Value of virtio-blk-pci.queue-size")).to_contain_text("512")


def test_without_scripts_as_well(come: Come, live_stack: LiveStack) -> None:
    change = live_stack.manage("shell", "-v0", "-c", OPEN).strip()
    address = f"/releases/rhel/9.3/machine-types/{MACHINE_TYPE}/?change={change}"
    first, second = (come("maintainer", java_script_enabled=False) for _ in range(2))
    for person in (first, second):
        person.open(address)
    add(first, "128")
    first.sees("is added")
    add(second, "256")
    second.sees("Merge your edit")
    second.open(f"/changes/{change}/")
    second.follow("Choose what stays")
    second.page.get_by_role("radio", name="Mine 256").check()
    second.send("Save the merge")
    second.sees("Your edit is merged")
