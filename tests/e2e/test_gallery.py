"""The manual's pictures of pages that the main job does not come by: dark ones and narrow ones too.

Without LOCKSTEP_SCREENSHOTS nothing is written, and the test holds that each page shows its story.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from people import Person

pytestmark = pytest.mark.browser

Come = Callable[..., Person]

SCREENS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 400, "height": 800}},
}
DEVICE = "/releases/rhel/9.3/devices/scsi-block/?change=2&machine_type=pc-q35-rhel9.2.0"
#: Screen → picture, address, what is on it
PICTURES = {
    "light": (
        ("releases", "/releases/", "stand-in"),
        ("release", "/releases/rhel/9.2/", "Published revisions"),
        ("machine-types", "/releases/rhel/9.2/machine-types/", "pc-q35-rhel9.2.0"),
        ("devices", "/releases/upstream/11.1/devices/", "e1000e"),
        ("changes", "/changes/", "Keep SCSI persistent reservations"),
        ("features", "/features/", "SCSI persistent reservations"),
        ("trials", "/trials/", "rhel 9.3"),
        ("matrix", "/trials/matrix/?tree=rhel&machine_type=pc-q35-rhel8.6.0&change=2", "rhel 9.2"),
        ("audit", "/audit/", "Keep SCSI persistent reservations"),
    ),
    "dark": (
        ("home-dark", "/", "Red Hat Enterprise Linux"),
        ("device-dark", DEVICE, "scsi-disk/pr"),
        ("change-dark", "/changes/2/?tab=trials", "pc-q35-rhel9.2.0"),
    ),
    "narrow": (
        ("home-narrow", "/", "Red Hat Enterprise Linux"),
        ("change-narrow", "/changes/2/", "Keep SCSI persistent reservations"),
        ("device-narrow", DEVICE, "scsi-disk/pr"),
    ),
}


@pytest.mark.parametrize("screen", PICTURES)
def test_pictures(come: Come, screen: str) -> None:
    person = come("reviewer", **SCREENS[screen])
    for name, address, text in PICTURES[screen]:
        person.open(address)
        person.sees(text)
        person.picture(name)
