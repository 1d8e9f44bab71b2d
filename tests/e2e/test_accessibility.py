"""WCAG 2.2 A and AA, as far as axe-core can tell, on every page in both colour schemes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from people import Person
from test_pages import BY_ROLE, PAGES

from tests.conftest import ROOT

pytestmark = pytest.mark.browser

#: Success criteria by level; axe-core's "best practices" are not among them.
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
#: What the colour scheme decides.
CONTRAST = {"type": "rule", "values": ["color-contrast"]}
_CHECK = """async rules => (await axe.run(document, {
    runOnly: rules, resultTypes: ["violations"],
})).violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html}`))"""


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which is evaluated in the page: its policy allows no other script."""
    subprocess.run([sys.executable, "-P", "frontend/vendor.py", "dev"], cwd=ROOT, check=True)
    return (ROOT / "node_modules/axe-core/axe.min.js").read_text()


def violations(person: Person, axe: str, address: str) -> list[str]:
    """What the page at this address violates in light and in dark colours."""
    person.page.emulate_media(color_scheme="light")
    person.open(address)
    return [f"{address}: {item}" for item in violations_now(person, axe)]


def violations_now(person: Person, axe: str) -> list[str]:
    """What the page violates as it stands, then in dark colours."""
    page = person.page
    page.evaluate(f"{axe}; 0")
    found = page.evaluate(_CHECK, LEVELS)
    page.emulate_media(color_scheme="dark")
    return list(found + page.evaluate(_CHECK, CONTRAST))


def test_no_page_violates_wcag(come: Callable[..., Person], axe: str) -> None:
    # Narrow enough for tables to scroll in their boxes, wide enough for everything to be shown;
    # without the transitions in which a button has neither scheme's colours.
    screen = {"width": 920, "height": 800}
    person = come("maintainer", viewport=screen, reduced_motion="reduce")
    found = [item for page in (*PAGES, *BY_ROLE) for item in violations(person, axe, page)]
    assert not found, "\n".join(found)


def test_the_sign_in_page_does_not_either(come: Callable[..., Person], axe: str) -> None:
    assert violations(come(reduced_motion="reduce"), axe, "/accounts/login/") == []


def test_what_opens_over_a_page_does_not_either(come: Callable[..., Person], axe: str) -> None:
    person = come("maintainer", reduced_motion="reduce", color_scheme="light")
    page = person.page
    page.keyboard.press("/")
    page.keyboard.type("scsi")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    assert violations_now(person, axe) == []
    page.emulate_media(color_scheme="light")
    person.open("/trials/")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    assert violations_now(person, axe) == []
