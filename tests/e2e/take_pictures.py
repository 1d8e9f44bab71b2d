"""Takes a picture of every page, light and dark, wide and narrow: ``make screenshots`` runs it.

Named so that ``make test`` does not wait for it: there every page is opened by others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gallery
import pytest
from gallery import Come, Step
from people import Person

from tests.conftest import LiveStack

pytestmark = pytest.mark.browser

#: Folder → what the browser is
SCREENS: dict[str, dict[str, Any]] = {
    f"{width}-{theme}": {"color_scheme": theme, "viewport": {"width": width, "height": 800}}
    for width in (1280, 400)
    for theme in ("light", "dark")
}


def test_every_page_is_pictured(come: Come, live_stack: LiveStack) -> None:
    folder = Path(os.environ["LOCKSTEP_SCREENSHOTS"]) / "every"
    live_stack.manage("shell", "-v0", "-c", gallery.KEEPER)
    # What is empty is pictured before anything is in it.
    each_screen(come, folder, gallery.STRANGERS, lambda person: None)
    each_screen(come, folder, opening(gallery.PAGES) | gallery.STEPS, maintainer(live_stack))
    each_screen(come, folder, opening(gallery.ADMINISTRATION), gallery.keeper)
    brought_about = gallery.arranged(come, live_stack)
    each_screen(come, folder, opening(brought_about) | gallery.LAST, maintainer(live_stack))
    webhooks = gallery.webhooks(come)
    each_screen(come, folder, opening(webhooks), gallery.keeper)


def maintainer(live_stack: LiveStack) -> Step:
    return lambda person: person.sign_in("maintainer", live_stack.logins["maintainer"])


def opening(addresses: Mapping[str, str]) -> dict[str, Step]:
    def step(address: str) -> Step:
        return lambda person: person.open(address)

    return {name: step(address) for name, address in addresses.items()}


def each_screen(
    come: Callable[..., Person], folder: Path, steps: Mapping[str, Step], arrive: Step
) -> None:
    """A picture after each step, on each screen, of somebody who has arrived."""
    for screen, options in SCREENS.items():
        pictures = folder / screen
        pictures.mkdir(parents=True, exist_ok=True)
        person = come(**options)
        arrive(person)
        for name, step in steps.items():
            step(person)
            (pictures / f"{name}.webp").write_bytes(gallery.webp(person.page))
            assert not person.is_too_wide(), f"{name} scrolls sideways on {screen}"
