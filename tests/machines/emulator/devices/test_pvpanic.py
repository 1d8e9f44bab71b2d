"""The panic port: the same register on both buses, and a difference that no stream shows."""

import pytest

from machines.emulator.devices.pvpanic import PANICKED, Pvpanic
from machines.emulator.machine import Side, trial
from tests.machines.emulator.devices.bench import bench
from tests.machines.emulator.modelled import catalogue


@pytest.mark.parametrize(("release", "events"), [("5.2", 3), ("7.2", 3), ("10.0", 7)])
def test_it_reads_as_the_events_that_the_release_takes(release: str, events: int) -> None:
    assert bench("pvpanic", release).get(0) == events


def test_a_guest_tells_of_a_panic() -> None:
    own = bench("pvpanic")
    own.put(0, PANICKED)
    assert isinstance(own.model, Pvpanic)
    assert own.model.told == [PANICKED]


@pytest.mark.parametrize("driver", ["pvpanic", "pvpanic-pci"])
def test_a_default_that_changed_without_a_compat_property_is_seen_by_the_guest(driver: str) -> None:
    """QEMU added an event to both defaults, and no machine type keeps the old one."""
    older, newer = (Side(name, catalogue(name), "pc-q35-7.2") for name in ("7.2", "10.0"))
    result = trial((older, newer), (driver,), 1)
    assert (result.outcome, result.kind) == ("corrupt", "trace")
    assert driver in result.reason
    assert trial((newer, newer), (driver,), 1).outcome == "correct"
