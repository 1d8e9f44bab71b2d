"""Every modelled device against sections that real QEMU saved."""

import pytest

from machines.emulator.devices import MODELLED
from machines.emulator.loading import load_section
from machines.emulator.machine import Side, trial
from machines.emulator.qdev import Global
from tests.machines.emulator.modelled import (
    catalogue,
    device,
    real_sections,
    saved_section,
    unknown_fields,
)

RELEASES = ("5.2", "7.2", "10.0", "11.1")
#: Of several drivers of one kind the recorded machines have the first.
RECORDED = [name for name, known in MODELLED.items() if known.model.drivers[0] == name]
#: What a guest sees differ between releases because no compat property was made for it.
ALIKE = {name: (Global(name, "events", "3", "user"),) for name in ("pvpanic", "pvpanic-pci")}


@pytest.mark.parametrize("driver", RECORDED)
def test_a_real_section_loads_and_is_saved_again_byte_for_byte(driver: str) -> None:
    name = device(driver).section.name
    seen = 0
    for real in real_sections(name):
        own = device(driver, real.release, real.machine_type, real.changed)
        places: set[str] = set()
        assert load_section(own, real.version, real.payload, places) == 0, real.origin
        assert saved_section(own) == real.payload, real.origin
        seen += 1
    assert seen or name == driver  # a section of a device that no recorded machine has


@pytest.mark.parametrize("driver", MODELLED)
@pytest.mark.parametrize("source", RELEASES)
@pytest.mark.parametrize("destination", RELEASES)
def test_the_guest_program_goes_on_as_if_nothing_had_happened(
    driver: str, source: str, destination: str
) -> None:
    there, here = (
        Side(release, catalogue(release), "pc-q35-5.2", ALIKE.get(driver, ()))
        for release in (source, destination)
    )
    for seed in range(3):
        result = trial((there, here, there), (driver, driver), seed)
        assert result.outcome in ("correct", "refused"), result.reason
        unlike = source != destination or driver not in catalogue(source).types
        assert result.outcome == "correct" or unlike, result.reason
        assert result.outcome == "refused" or result.trace == result.reference


@pytest.mark.parametrize(
    ("driver", "release"),
    [
        (name, release)
        for name in MODELLED
        for release in RELEASES
        if name in catalogue(release).types
    ],
)
def test_the_model_knows_every_field_that_a_release_describes(driver: str, release: str) -> None:
    assert list(unknown_fields(device(driver, release))) == []
