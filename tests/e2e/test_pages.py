"""Every page, opened by everybody, on wide and narrow screens, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from people import Person
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

Come = Callable[..., Person]

NARROW: dict[str, Any] = {"viewport": {"width": 400, "height": 800}}
RELEASE = "/releases/rhel/9.3/"
MACHINE_TYPE, DEVICE = f"{RELEASE}machine-types/pc-q35-rhel9.0.0/", f"{RELEASE}devices/scsi-block/"
#: Every page of the sample's story: #1 is published, #2 waits for its reviewer.
PAGES = (
    "/",
    "/releases/",
    RELEASE,
    "/releases/upstream/11.1/",
    "/releases/upstream/8.0/",
    f"{RELEASE}machine-types/",
    f"{RELEASE}machine-types/?change=2",
    f"{RELEASE}machine-types/?sets=vectors&order=-own&size=25",
    MACHINE_TYPE,
    "/releases/upstream/11.1/machine-types/pc-q35-11.1/",
    f"{RELEASE}devices/",
    f"{RELEASE}devices/?change=2&q=virtio",
    DEVICE,
    "/releases/upstream/11.1/devices/virtio-net-device/",
    "/changes/",
    "/changes/1/",
    *(
        f"/changes/2/?tab={tab}"
        for tab in ("changes", "findings", "trials", "discussion", "history", "bundle")
    ),
    "/changes/2/?from=1",
    "/changes/1/?tab=trials",
    "/changes/1/?tab=discussion",
    "/changes/1/?tab=bundle",
    "/your-turn/",
    "/accounts/mails/",
    "/accounts/tokens/",
    "/api/",
    "/trees/rhel/",
    "/releases/rhel/9.2/revisions/?from=1&to=1",
    f"{MACHINE_TYPE}?change=2",
    f"{DEVICE}?change=2&section=scsi-disk/scsi-disk/pr&version=0",
    f"{DEVICE}?change=2&section=scsi-disk/scsi-disk/pr&version=1&flip=scsi-disk/scsi-disk/pr:1",
    "/releases/upstream/11.1/devices/virtio-net-device/?beside=upstream+7.2",
    f"{MACHINE_TYPE}?change=2&edit=0",
    f"{MACHINE_TYPE}?change=2&view=difference&beside=rhel+9.2",
    "/features/",
    "/features/scsi-persistent-reservations/",
    "/changes/2/?tab=trials&show=passed&q=rhel9",
    "/changes/2/?tab=bundle&file=policy.yaml",
    "/trials/",
    "/trials/1/",
    "/trials/1/stream/",
    "/trials/matrix/",
    "/trials/rules/",
    "/trials/matrix/?tree=rhel&machine_type=pc-q35-rhel9.0.0",
    "/trials/matrix/?tree=rhel&machine_type=all&change=2",
    "/compare/",
    "/compare/?source=upstream+7.2&destination=upstream+11.1&machine_type=pc-q35-7.2",
    "/compare/?source=rhel+9.2&destination=change-2&grade=harmless",
    "/streams/",
    "/explain/",
    "/bundles/",
    "/bundles/rhel/9.2/",
    "/bundles/rhel/9.2/r1/",
    "/imports/",
    "/accounts/settings/",
    "/accounts/password/",
    "/jobs/",
    "/jobs/1/",
    "/people/maintainer/",
    "/search/?q=scsi",
    "/shortcuts/",
)
#: Those that only some roles may open; the others are told that they may not.
BY_ROLE = {
    "/releases/new/": {"maintainer", "release"},
    f"{DEVICE}overrides/preview/?change=2&flip=scsi-disk/scsi-disk/pr:1": {"maintainer"},
    "/imports/new/": {"maintainer", "release"},
    "/changes/new/": {"maintainer"},
    "/changes/2/backport/": {"maintainer"},
    "/changes/2/backport/?feature=scsi-persistent-reservations": {"maintainer"},
    "/features/scsi-persistent-reservations/backport/": {"maintainer"},
    "/features/proposals/": {"maintainer"},
    "/changes/2/import/": {"maintainer"},
    "/audit/": {"maintainer", "reviewer", "release"},
}


def assert_is_whole(person: Person, address: str) -> None:
    """A page with one title and no error of ours on it, that stays within the screen."""
    assert person.page.locator("h1").count() == 1, address
    assert "Server Error" not in person.page.title(), address
    assert not person.is_too_wide(), f"{address} scrolls sideways"


@pytest.mark.parametrize(
    ("name", "screen"),
    [
        ("maintainer", {"color_scheme": "light"}),
        ("maintainer", {"color_scheme": "dark", **NARROW}),
        ("reviewer", {"color_scheme": "light", **NARROW}),
        ("release", {"color_scheme": "dark"}),
    ],
)
def test_every_page_opens(come: Come, name: str, screen: dict[str, Any]) -> None:
    person = come(name, **screen)
    for address in PAGES:
        person.open(address)
        assert_is_whole(person, address)
    for address, roles in BY_ROLE.items():
        if name in roles:
            person.open(address)
        else:
            with person.expecting(403):
                person.open(address)
        assert_is_whole(person, address)


def test_a_stranger_is_shown_the_login_page(come: Come) -> None:
    stranger = come()
    for address in (*PAGES, *BY_ROLE):
        stranger.open(address)
        expect(stranger.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert_is_whole(stranger, "/accounts/login/")


def test_a_page_that_is_not_there(come: Come) -> None:
    person = come("reviewer", **NARROW)
    for address in ("/nowhere/", "/releases/rhel/1.0/", f"{RELEASE}devices/toaster/", "/jobs/999/"):
        with person.expecting(404):
            person.open(address)
        assert_is_whole(person, address)


def test_the_theme_is_the_persons_choice(come: Come) -> None:
    person = come("reviewer", color_scheme="light")
    light = background(person)
    with person.page.expect_response("**/accounts/settings/theme/"):
        person.page.get_by_role("button", name="Switch to the dark theme").click()
    dark = background(person)
    assert dark != light
    # It is kept for the person, not by the browser.
    elsewhere = come("reviewer", color_scheme="light")
    elsewhere.open("/trials/")
    assert background(elsewhere) == dark
    with elsewhere.page.expect_response("**/accounts/settings/theme/"):
        elsewhere.page.get_by_role("button", name="Switch to the light theme").click()
    assert background(elsewhere) == light


def background(person: Person) -> str:
    script = "getComputedStyle(document.body).backgroundColor"
    return str(person.page.evaluate(script))


#: What looks as if it did something, and does nothing where there are no scripts: buttons outside
#: a form or without an action of their own, fields that no form sends, links that lead nowhere.
DEAD = """() => [...document.querySelectorAll("button, input, select, textarea, a")]
    .filter(element => element.checkVisibility({visibilityProperty: true}))
    .filter(element => element.matches("a")
        ? !element.getAttribute("href") || element.getAttribute("href") === "#"
        : !element.form || element.matches("button[type=button]"))
    .map(element => element.outerHTML.slice(0, 150))"""


def test_every_page_can_be_read_without_scripts(come: Come) -> None:
    person = come("maintainer", java_script_enabled=False)
    for address in PAGES:
        person.open(address)
        assert_is_whole(person, address)
        assert len(person.page.locator("main").inner_text()) > 40, address
        assert person.page.evaluate(DEAD) == [], address


def test_the_main_pages_work_without_scripts(come: Come) -> None:
    """What htmx swaps in place, a plain form does by loading the page."""
    person = come("maintainer", java_script_enabled=False)
    person.open(f"{DEVICE}?change=2")
    person.page.get_by_label("scsi-disk/pr version 0").click()
    person.sees("Blacklisted by default")
    person.open(f"{RELEASE}machine-types/?q=q35-rhel9")
    expect(person.row("pc-q35-rhel9.2.0").first).to_be_visible()
    expect(person.row("pc-i440fx")).to_have_count(0)
    person.open("/search/?q=scsi-block")
    person.sees("Properties")
