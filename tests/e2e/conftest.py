"""People in front of real browsers, and a camera that takes the manual's pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from people import Camera, Person
from playwright.sync_api import Browser, expect

from tests.conftest import LiveStack

#: A machine that is busy with other tests is slow; a page that hangs is slower still.
PATIENCE_MS = 60_000


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def camera() -> Camera:
    """Takes pictures into the folder LOCKSTEP_SCREENSHOTS names; without one, none."""
    folder = os.environ.get("LOCKSTEP_SCREENSHOTS")
    return Camera(Path(folder) if folder else None)


@pytest.fixture
def come(
    browser: Browser, browser_context_args: dict[str, Any], live_stack: LiveStack, camera: Camera
) -> Iterator[Callable[..., Person]]:
    """``come("reviewer")``: a browser of one's own; any complaint of it fails the test at its end.

    Without a name the person is not signed in. Further arguments are the browser context's.
    """
    people: list[Person] = []

    def arrive(name: str = "", **options: Any) -> Person:
        context = browser.new_context(**(browser_context_args | options))
        context.set_default_timeout(PATIENCE_MS)
        person = Person(context, live_stack.url, camera)
        people.append(person)
        if name:
            person.sign_in(name, live_stack.logins[name])
        return person

    yield arrive
    for person in people:
        print(person.last_seen())  # noqa: T201 - pytest shows it where the test fails
        person.page.context.close()
    assert [complaint for person in people for complaint in person.complaints] == []
