"""Tokens of the sample's people, issued as they issue them: signed in, by themselves."""

from __future__ import annotations

import re

import requests

from tests.conftest import LiveStack


def token_of(stack: LiveStack, name: str, *scopes: str) -> str:
    """The secret of a new token of the person, with these scopes besides ``read``."""
    session = requests.Session()
    login = f"{stack.url}/accounts/login/"
    page = session.get(login, timeout=30).text
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found
    given = {"username": name, "password": stack.logins[name], "csrfmiddlewaretoken": found[1]}
    session.post(login, given, headers={"Referer": login}, timeout=30).raise_for_status()
    answer = session.post(
        f"{stack.url}/api/v1/tokens/",
        json={"name": "terminal", "scopes": list(scopes)},
        headers={"X-CSRFToken": session.cookies["csrftoken"], "Referer": login},
        timeout=30,
    )
    return str(answer.json()["secret"])
