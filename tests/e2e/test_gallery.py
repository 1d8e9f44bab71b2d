"""The manual's pictures of pages that the main job does not come by, and which pictures there are.

Without LOCKSTEP_SCREENSHOTS nothing is written, and the test holds that each page shows its story.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gallery
import pytest
from people import Person
from playwright.sync_api import Page

Come = Callable[..., Person]

ROOT = Path(__file__).resolve().parents[2]
SCREENS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 400, "height": 800}},
}
DEVICE = "/releases/rhel/9.3/devices/scsi-block/?change=2&section=scsi-disk/scsi-disk/pr&version=0"
#: Screen → picture, address, what is on it
PICTURES = {
    "light": (
        ("machine-types", "/releases/rhel/9.2/machine-types/", "pc-q35-rhel9.2.0"),
        ("matrix", "/trials/matrix/?tree=rhel&machine_type=pc-q35-rhel8.6.0&change=2", "rhel 9.2"),
    ),
    "dark": (("device-dark", DEVICE, "scsi-disk/pr"),),
    "narrow": (("change-narrow", "/changes/2/", "Keep SCSI persistent reservations"),),
}


@pytest.mark.browser
@pytest.mark.parametrize("screen", PICTURES)
def test_pictures(come: Come, screen: str) -> None:
    person = come("reviewer", **SCREENS[screen])
    for name, address, text in PICTURES[screen]:
        person.open(address)
        person.sees(text)
        person.picture(name)


#: A panel that takes three quarters of the screen at most, and what stands below it
PANEL = """<body style="margin: 0"><div style="max-height: 75vh; overflow: auto">
<div style="height: 900px"></div></div><div style="height: {foot}px"></div></body>"""
HEIGHT = """async (data) => {
  const image = new Image();
  image.src = `data:image/webp;base64,${data}`;
  await image.decode();
  return image.naturalHeight;
}"""


@pytest.mark.browser
@pytest.mark.parametrize(("foot", "height"), [(100, 800), (400, 1300), (9000, 2400)])
def test_a_picture_goes_down_to_the_pages_foot(page: Page, foot: int, height: int) -> None:
    page.set_content(PANEL.format(foot=foot))
    picture = gallery.webp(page)
    assert page.evaluate(HEIGHT, base64.b64encode(picture).decode()) == height


def test_the_manual_shows_every_picture_and_no_other() -> None:
    texts = [(ROOT / "README.md").read_text(), *(p.read_text() for p in ROOT.glob("docs/*.md"))]
    shown = set(re.findall(r"\(\S*screenshots/([\w-]+\.png)\)", "\n".join(texts)))
    assert {path.name for path in (ROOT / "docs/screenshots").glob("*.png")} == shown
