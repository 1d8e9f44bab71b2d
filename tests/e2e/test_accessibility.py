"""WCAG 2.2 A and AA, as far as axe-core can tell, on every page and on what opens there.

In both colour schemes, with everything folded as it comes and with everything unfolded; what axe
does not look for stands in ``_WRONG``. At 400 pixels no page scrolls sideways.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from people import Person
from test_pages import BY_ROLE, DEVICE, MACHINE_TYPE, NARROW, PAGES, RELEASE

from tests.conftest import ROOT

pytestmark = pytest.mark.browser

Come = Callable[..., Person]

#: Narrow enough for tables to scroll in their boxes, wide enough for everything to be shown.
WIDE = {"width": 920, "height": 800}
#: Success criteria by level; axe-core's "best practices" are not among them, but for these.
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ORDER = ["heading-order", "landmark-unique", "region", "page-has-heading-one", "empty-heading"]
_CHECK = """async ({levels, order, part}) => {
    const ask = (type, values) => axe.run(part || document, {
        runOnly: {type, values}, resultTypes: ["violations"],
    });
    const found = [await ask("tag", levels), ...(order ? [await ask("rule", order)] : [])];
    return found.flatMap(one => one.violations).flatMap(
        rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 300)}`));
}"""
_WRONG = """() => {
    const found = [], ids = new Set();
    const say = (what, element) => found.push(`${what}: ${element.outerHTML.slice(0, 200)}`);
    for (const one of document.querySelectorAll("[id]")) {
        if (ids.has(one.id)) say("an id twice", one);
        ids.add(one.id);
    }
    for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "for"])
        for (const one of document.querySelectorAll(`[${name}]`))
            for (const id of one.getAttribute(name).split(" "))
                if (id && !ids.has(id)) say(`${name} leads nowhere`, one);
    const NAMED = "[aria-label], [aria-labelledby]";
    for (const table of document.querySelectorAll("table"))
        if (!table.caption && !table.closest(NAMED)) say("a table without a name", table);
    for (const one of document.querySelectorAll("span[aria-label]:not([role])"))
        say("a name that is not read", one);
    return found;
}"""
#: Panels that stand in the page, and what they fetch; menus lie over it, one at a time. What is
#: still being fetched is faded, so that is waited for.
_UNFOLD = """async () => {
    const drawn = () => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
    for (const one of document.querySelectorAll("details:not(.menu)")) one.open = true;
    do await drawn();
    while (document.querySelector(".htmx-request"));
}"""


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which is evaluated in the page: its policy allows no other script."""
    subprocess.run([sys.executable, "-P", "frontend/vendor.py", "dev"], cwd=ROOT, check=True)
    return (ROOT / "node_modules/axe-core/axe.min.js").read_text()


def violations(person: Person, axe: str, address: str) -> list[str]:
    """What the page at this address violates with its panels unfolded, in light and in dark."""
    page = person.page
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")
    person.open(address)
    page.evaluate(_UNFOLD)
    page.evaluate(f"{axe}; 0")
    found = page.evaluate(_CHECK, {"levels": LEVELS, "order": ORDER}) + page.evaluate(_WRONG)
    page.emulate_media(color_scheme="dark")
    found += page.evaluate(_CHECK, {"levels": LEVELS})
    page.set_viewport_size(NARROW["viewport"])
    if person.is_too_wide():
        found.append("scrolls sideways")
    return [f"{address}: {item}" for item in found]


def violations_now(person: Person, axe: str, part: str | None = None) -> list[str]:
    """What the page, or a part of it, violates as it stands, in light and in dark colours."""
    page, found = person.page, []
    page.evaluate(f"{axe}; 0")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found += page.evaluate(_CHECK, {"levels": LEVELS, "part": part})
    return [f"{page.url}: {item}" for item in found]


def calm(come: Come, name: str = "", **options: object) -> Person:
    """Without the transitions in which a button has neither scheme's colours."""
    return come(name, reduced_motion="reduce", **options)


def test_no_page_violates_wcag(come: Come, axe: str) -> None:
    person = calm(come, "maintainer")
    found = [item for page in (*PAGES, *BY_ROLE) for item in violations(person, axe, page)]
    assert not found, "\n".join(found)


def test_the_sign_in_page_does_not_either(come: Come, axe: str) -> None:
    assert violations(calm(come), axe, "/accounts/login/") == []


def test_what_tells_of_an_error_does_not_either(come: Come, axe: str) -> None:
    person, forbidden = calm(come, "reviewer"), "/changes/new/"
    with person.expecting(404):
        found = violations(person, axe, "/nowhere/")
    with person.expecting(403):
        found += violations(person, axe, forbidden)
    assert found == []


def test_what_opens_over_a_page_does_not_either(come: Come, axe: str) -> None:
    person = calm(come, "maintainer")
    page = person.page
    page.keyboard.press("/")
    page.keyboard.type("scsi")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    found = violations_now(person, axe)
    person.open("/trials/")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    found += violations_now(person, axe)
    assert found == []


@pytest.mark.parametrize(
    ("address", "menus"),
    [
        ("/trials/", ("Saved filters", "Columns", "Export")),
        (RELEASE, ("Edit in a change request",)),
    ],
)
def test_menus_do_not_either(come: Come, axe: str, address: str, menus: tuple[str, ...]) -> None:
    person = calm(come, "maintainer", viewport=NARROW["viewport"])
    person.open(address)
    for menu in menus:
        summary = person.page.locator("summary").filter(has_text=menu)
        summary.press("Enter")
        assert summary.evaluate("one => one.parentElement.open")
        # What a menu covers of the page is free again when it is closed.
        assert violations_now(person, axe, ".menu[open]") == []
        assert not person.is_too_wide(), menu
        summary.press("Enter")


def test_what_one_asks_for_in_a_page_does_not_either(come: Come, axe: str) -> None:
    """A comment's form, a cell's panel, options below a field, the narrow page's menu."""
    person = calm(come, "maintainer")
    page = person.page
    person.open("/changes/2/")
    for key in ("n", "c"):
        page.keyboard.press(key)
    page.get_by_label("Your question or objection").wait_for()
    found = violations_now(person, axe)
    person.open(f"{MACHINE_TYPE}?change=2")
    person.field("Device type").press_sequentially("virtio-b")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    found += violations_now(person, axe)
    person.open("/trials/matrix/?tree=rhel&machine_type=pc-q35-rhel9.0.0")
    page.locator("[data-cell]").first.press("Enter")
    page.wait_for_load_state("networkidle")
    found += violations_now(person, axe)
    page.set_viewport_size(NARROW["viewport"])
    page.get_by_role("link", name="Menu", exact=True).press("Enter")
    page.get_by_role("navigation", name="Main").wait_for()
    found += violations_now(person, axe)
    assert found == []


def test_the_panel_beside_a_device_does_not_either(come: Come, axe: str) -> None:
    person = calm(come, "maintainer")
    flip = "scsi-disk/scsi-disk/pr:1"
    section = "section=scsi-disk/scsi-disk/pr&version=1"
    person.open(f"{DEVICE}?change=2&{section}&flip={flip}")
    person.page.locator("#consequences:not(:has(a[href*='preview']))").wait_for()
    assert violations_now(person, axe) == []
