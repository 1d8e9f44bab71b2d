"""Looking into streams: a trial's, made again, and an upload, with the keyboard and the mouse."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import test_accessibility
from people import Person
from playwright.sync_api import expect
from test_accessibility import violations

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
STREAM = ROOT / "tests/data/streams/10.0/pc-q35-7.2/serial.mig.xz"


#: The fixture with axe-core's source.
axe = test_accessibility.axe


def test_an_upload_is_read_judged_and_deleted(come: Callable[..., Person], axe: str) -> None:
    person = come("maintainer", reduced_motion="reduce")
    person.open("/streams/")
    person.page.locator("input[type=file]").set_input_files(STREAM)
    person.send("Upload and read")
    person.sees("Sections")
    page = re.search(r"/streams/\d+/", person.page.url)
    assert page is not None
    person.page.get_by_role("link", name=re.compile("^serial")).click()
    person.sees("state.divider")
    # Chosen among the fields, it is marked among the bytes, told, and in the address.
    person.page.locator(".pieces").get_by_text("state.divider").click()
    expect(person.page.locator(".run[aria-current]")).to_have_text("00 0c ")
    expect(person.page.locator("#piece")).to_contain_text("uint16")
    assert re.search(r"\?at=\d+$", person.page.url)
    person.page.keyboard.press("ArrowDown")
    expect(person.page.locator("#piece")).to_contain_text("state.rbr")
    # And the other way round.
    person.page.locator(".hex").get_by_text("00 0c").click()
    expect(person.page.locator(".piece[aria-current]")).to_contain_text("state.divider")
    assert violations(person, axe, person.page.url.removeprefix(person.url)) == []
    person.page.locator("[name=into]").select_option(label="upstream 11.1")
    person.press("Judge")
    expect(person.page.locator("#answers")).to_contain_text("accepted")
    person.page.locator("summary", has_text="Delete").click()
    person.send("Delete for good")
    with person.expecting(404):
        person.open(page[0])


def test_a_trials_stream_is_made_again(come: Callable[..., Person], axe: str) -> None:
    person = come("reviewer", color_scheme="dark", reduced_motion="reduce")
    person.open("/trials/1/stream/")
    button = person.page.get_by_role("button", name="Make the stream again")
    if button.count():
        button.click()
    person.sees("as rhel")
    person.open("/trials/1/stream/?device=isa-serial&field=state.lcr")
    expect(person.page.locator("#piece")).to_contain_text("Loaded as")
    expect(person.page.locator("#piece")).to_contain_text("the same")
    assert not person.is_too_wide()
    assert violations(person, axe, "/trials/1/stream/?device=isa-serial&field=state.lcr") == []
