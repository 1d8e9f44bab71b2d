"""WCAG 2.2 A and AA, as far as axe-core can tell, on every page in both colour schemes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from people import Person
from test_pages import BY_ROLE, NARROW, PAGES

from tests.conftest import ROOT

pytestmark = pytest.mark.browser

#: Success criteria by level; axe-core's "best practices" are not among them.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_CHECK = """async rules => (await axe.run(document, {
    runOnly: rules, resultTypes: ["violations"],
})).violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html}`))"""


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which is evaluated in the page: its policy allows no other script."""
    subprocess.run([sys.executable, "-P", "frontend/vendor.py", "dev"], cwd=ROOT, check=True)
    return (ROOT / "node_modules/axe-core/axe.min.js").read_text()


def violations(person: Person, axe: str, address: str) -> list[str]:
    person.open(address)
    person.page.evaluate(f"{axe}; 0")
    return [f"{address}: {found}" for found in person.page.evaluate(_CHECK, RULES)]


@pytest.mark.parametrize(
    ("name", "screen"),
    [
        ("maintainer", {"color_scheme": "light", **NARROW}),
        ("maintainer", {"color_scheme": "dark"}),
    ],
)
def test_no_page_violates_wcag(
    come: Callable[..., Person], axe: str, name: str, screen: dict[str, Any]
) -> None:
    person = come(name, **screen)
    found = [item for page in (*PAGES, *BY_ROLE) for item in violations(person, axe, page)]
    assert found == []


def test_the_sign_in_page_does_not_either(come: Callable[..., Person], axe: str) -> None:
    assert violations(come(color_scheme="dark"), axe, "/accounts/login/") == []
