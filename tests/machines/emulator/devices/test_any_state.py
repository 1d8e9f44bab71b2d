"""Whatever state arrives, the device loads or refuses it, and its guest's program ends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machines.emulator.devices import MODELLED
from machines.emulator.guest import LocalHardware, Run
from machines.emulator.loading import load_section
from machines.emulator.vmstate import EndOfStream, LoadError
from tests.machines.emulator.devices.bench import bench
from tests.machines.emulator.modelled import saved_section

CHANGES = st.dictionaries(st.integers(0, 2**16), st.integers(0, 255), min_size=1, max_size=40)


@pytest.mark.parametrize("driver", [name for name in MODELLED if name != "pvpanic"])
@settings(max_examples=40)
@given(changes=CHANGES, now=st.integers(0, 2**62))
def test_a_damaged_section(driver: str, changes: dict[int, int], now: int) -> None:
    own = bench(driver)
    payload = bytearray(saved_section(own.device))
    for at, byte in changes.items():
        payload[at % len(payload)] = byte
    own.platform.now = now
    own.model.pre_load()
    try:
        load_section(own.device, own.device.section.version_id, bytes(payload), set())
    except (LoadError, EndOfStream):
        return
    run = Run(MODELLED[driver].exercise, LocalHardware(own.model, own.platform), "1", 0)
    for _ in range(3):
        run.step()
        saved_section(own.device)
