"""The administration site, and signing in by a provider, in a real browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import requests
from people import Person
from playwright.sync_api import Browser, expect
from test_accessibility import axe, violations
from test_pages import NARROW, assert_is_whole

from tests.conftest import ROOT, LiveStack, free_port, stop, wait_until
from tests.frontend import openid_provider
from tests.frontend.openid_provider import CLIENT, SECRET, OpenIdProvider

pytestmark = pytest.mark.browser
__all__ = ["axe"]

PAGES = (
    "/admin/",
    "/admin/auth/user/",
    "/admin/auth/user/?is_superuser__exact=1&o=-1",
    "/admin/auth/user/1/change/",
    "/admin/auth/user/1/password/",
    "/admin/auth/user/add/",
    "/admin/policy/membership/",
    "/admin/policy/membership/add/",
    "/admin/policy/membership/1/change/",
    "/admin/policy/membership/1/delete/",
    "/admin/frontend/identity/add/",
    "/admin/axes/accesslog/",
    "/admin/axes/accessattempt/",
    "/admin/machines/release/",
    "/admin/policy/changerequest/2/change/",
    "/admin/policy/trial/",
    "/admin/policy/auditentry/1/change/",
    "/admin/workers/job/1/change/",
)
_MAKE = """
from django.contrib.auth.models import User
person, _ = User.objects.get_or_create(username="keeper", is_superuser=True)
person.set_password("kept by the keeper")
person.save()
"""


@pytest.fixture
def keeper(live_stack: LiveStack) -> str:
    live_stack.manage("shell", "-c", _MAKE)
    return "kept by the keeper"


def test_every_page_of_the_site_is_whole_and_accessible(
    come: Callable[..., Person], keeper: str, axe: str
) -> None:
    narrow = come(color_scheme="dark", **NARROW)
    narrow.sign_in("keeper", keeper)
    person = come(reduced_motion="reduce", viewport={"width": 920, "height": 800})
    person.sign_in("keeper", keeper)
    found = []
    for address in PAGES:
        narrow.open(address)
        assert_is_whole(narrow, address)
        found += violations(person, axe, address)
    assert not found, "\n".join(found)


def test_a_role_is_given_and_taken(come: Callable[..., Person], keeper: str) -> None:
    person = come()
    person.sign_in("keeper", keeper)
    person.open("/trees/rhel/")
    person.follow("Give and take roles")
    person.follow("Add")
    person.choose(User="reviewer", Tree="rhel", Role="release manager")
    person.send("Save")
    person.row("reviewer", "rhel", "release manager").get_by_role("link").click()
    person.follow("Delete")
    person.send("Delete")
    expect(person.row("reviewer", "rhel", "release manager")).to_have_count(0)


@pytest.fixture
def by_provider(live_stack: LiveStack) -> Iterator[tuple[str, OpenIdProvider]]:
    """The address of a web server on the same data with a provider, and that provider."""
    provider, server = openid_provider.serve()
    place = f"127.0.0.1:{free_port()}"
    url = f"http://{place}"
    environment = live_stack.environment | {
        "LOCKSTEP_OIDC_ISSUER": provider.url,
        "LOCKSTEP_OIDC_CLIENT_ID": CLIENT,
        "LOCKSTEP_OIDC_CLIENT_SECRET": SECRET,
        "LOCKSTEP_OIDC_LABEL": "Sign in with Example",
    }
    command = [sys.executable, "manage.py", "web", "--bind", place]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)

    def answers() -> bool:
        try:
            return requests.get(f"{url}/accounts/login/", timeout=2).ok
        except requests.ConnectionError:
            return False

    wait_until(answers, "the web server to answer")
    yield url, provider
    stop(process)
    server.shutdown()
    server.server_close()


def test_the_button_leads_through_the_provider_and_back(
    browser: Browser, by_provider: tuple[str, OpenIdProvider]
) -> None:
    url, provider = by_provider
    provider.told = {"sub": "browser", "preferred_username": "newcomer"}
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{url}/accounts/login/?next=/accounts/settings/")
    page.get_by_role("link", name="Sign in with Example").click()
    expect(page).to_have_url(f"{url}/accounts/settings/")
    expect(page.get_by_text("newcomer").first).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in with Example")).to_be_visible()
    assert complaints == []
    page.close()
