"""A virtio device on PCI: both register layouts, interrupts, and what a stream may not bring."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from machines.emulator.devices import virtio_spec as spec
from machines.emulator.devices.pci import bar_offset
from machines.emulator.devices.virtqueue import NO_VECTOR
from machines.emulator.drivers import backend_of
from machines.emulator.machine import Side, trial
from machines.emulator.pci import COMMAND, COMMAND_IO, COMMAND_MEMORY
from machines.emulator.qdev import Global, ancestors
from machines.emulator.side import TrialError
from tests.machines.emulator.devices.virtio_bench import (
    ENABLED,
    loading,
    machine,
    started,
    virtio,
)
from tests.machines.emulator.modelled import catalogue, device, saved_section
from tests.machines.emulator.real_streams import SELECTION, SHARED

LEGACY, MODERN = bar_offset(spec.LEGACY_BAR), bar_offset(spec.MODERN_BAR)
DRIVERS = ("virtio-blk-pci", "virtio-rng-pci")


# --- Registers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_both_layouts_show_one_device(driver: str) -> None:
    model = virtio(machine(driver))
    model.write(LEGACY + spec.L_STATUS, spec.ACKNOWLEDGE, 1)
    assert model.read(MODERN + spec.STATUS, 1) == spec.ACKNOWLEDGE
    model.write(MODERN + spec.QUEUE_SELECT, 0, 2)
    size = model.read(MODERN + spec.QUEUE_SIZE, 2)
    assert size == model.read(LEGACY + spec.L_QUEUE_SIZE, 2) == model.queue_sizes()[0]
    model.write(LEGACY + spec.L_QUEUE_SELECT, 5, 2)
    assert model.read(MODERN + spec.QUEUE_SELECT, 2) == 5
    assert model.read(MODERN + spec.QUEUE_SIZE, 2) == 0
    assert model.read(MODERN + spec.QUEUE_COUNT, 2) == 1


def test_a_legacy_driver_is_offered_what_a_modern_one_is_not() -> None:
    model = virtio(machine("virtio-rng-pci"))
    offered = model.read(LEGACY + spec.L_FEATURES, 4)
    assert offered == model.read(MODERN + spec.FEATURES, 4) | spec.LEGACY_FEATURES
    model.write(MODERN + spec.FEATURE_SELECT, 1, 4)
    assert model.read(MODERN + spec.FEATURES, 4) & 1 << spec.VERSION_1 - 32
    model.write(MODERN + spec.FEATURE_SELECT, 2, 4)
    assert model.read(MODERN + spec.FEATURES, 4) == 0


def test_features_are_fixed_once_the_driver_is_content() -> None:
    model = virtio(machine("virtio-rng-pci"))
    model.write(MODERN + spec.DRIVER_FEATURES, 1 << 28 | 1, 4)
    assert model.features == 1 << 28
    model.write(MODERN + spec.STATUS, spec.ACKNOWLEDGE | spec.DRIVER | spec.FEATURES_OK, 1)
    model.write(MODERN + spec.DRIVER_FEATURES, 0, 4)
    assert model.features == 1 << 28


@pytest.mark.parametrize("modern", [True, False])
def test_writing_0_to_the_status_resets_the_device(modern: bool) -> None:
    own = machine("virtio-blk-pci")
    driver, model = started(own, modern=modern), virtio(own)
    assert model.queues[0].descriptors
    model.write(MODERN + spec.STATUS if modern else LEGACY + spec.L_STATUS, 0, 1)
    assert (model.status, model.features, model.queues[0].descriptors) == (0, 0, 0)
    assert model.queues[0].vector == model.config_vector == NO_VECTOR
    driver.start(queues=1)
    assert model.status & spec.DRIVER_OK


def test_the_window_in_configuration_space_reaches_the_modern_registers() -> None:
    model = virtio(machine("virtio-rng-pci"))
    window = model.window
    for offset, value in ((8, spec.STATUS), (12, 1), (16, spec.ACKNOWLEDGE)):
        model.write(window + offset, value, 4 if offset < 16 else 1)
    assert model.status == spec.ACKNOWLEDGE
    model.status = 3
    assert model.read(window + 16, 1) == 3


def test_a_device_that_may_not_reach_memory_waits() -> None:
    own = machine("virtio-rng-pci")
    driver, model = started(own), virtio(own)
    driver.offer(0, (), (8,))
    model.write(COMMAND, COMMAND_IO | COMMAND_MEMORY, 2)
    assert not model.status & spec.DRIVER_OK
    driver.notify(0)
    assert model.queues[0].last_available == 0
    assert b"virtio/disabled" in saved_section(own)
    model.write(COMMAND, ENABLED, 2)
    model.write(MODERN + spec.STATUS, model.status | spec.DRIVER_OK, 1)
    driver.notify(0)
    assert model.queues[0].last_available == 1


def test_a_faulty_driver_breaks_the_device_until_it_is_reset() -> None:
    own = machine("virtio-rng-pci")
    driver, model = started(own), virtio(own)
    ring = driver.rings[0]
    model.platform.ram.write(ring.available + 2, (ring.size + 1).to_bytes(2, "little"))
    driver.notify(0)
    assert model.read(MODERN + spec.STATUS, 1) & spec.NEEDS_RESET
    there = machine("virtio-rng-pci", "11.1")
    virtio(there).platform.ram.replace(model.platform.ram.pages())
    assert not loading(there, saved_section(own))
    assert virtio(there).is_broken
    virtio(there).write(MODERN + spec.STATUS, 0, 1)
    assert not virtio(there).is_broken


# --- Properties -----------------------------------------------------------------------------------


def flips() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every recorded migration with one property changed that a modelled driver has."""
    for root in (SELECTION, SHARED):
        lines = (root / "cases.jsonl").read_text().splitlines() if root.is_dir() else []
        for line in lines:
            case = json.loads(line)
            for driver in DRIVERS:
                if case.get("flip") and case["flip"]["driver"] in lineage(driver, case["into"]):
                    yield driver, case


def lineage(driver: str, release: str) -> Sequence[str]:
    backend = backend_of(catalogue(release), driver)
    assert backend is not None
    return ancestors(catalogue(release), driver) + ancestors(catalogue(release), backend)


def test_a_changed_property_is_refused_by_the_model_as_by_real_qemu() -> None:
    """Where the real machine stumbled over another device, the modelled one is accepted."""
    seen = 0
    for driver, case in flips():
        flip = case["flip"]
        entry = (Global(flip["driver"], flip["property"], flip["flipped"], "user"),)
        there, here = (entry, ()) if flip["side"] == "source" else ((), entry)
        source = device(driver, case["source"], case["machine"], there)
        words = loading(device(driver, case["into"], case["machine"], here), saved_section(source))
        error = case["error"] or ""
        refused = not case["accepted"] and driver.removesuffix("-pci") in error
        assert bool(words) == refused, (driver, flip, words)
        assert words in error, (driver, flip)
        seen += 1
    assert seen >= 10


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"disable_legacy": "on", "disable_modern": "on"}, "neither modern nor legacy"),
        ({"queue_size": "100"}, r"invalid queue-size property \(100\)"),
        ({"num_queues": "0"}, "num-queues property must be larger than 0"),
        ({"vectors": "many"}, "'virtio-blk-pci.vectors' doesn't take value 'many'"),
        ({"page_per_vq": "perhaps"}, "'virtio-blk-pci.page-per-vq' doesn't take value"),
    ],
)
def test_a_device_that_qemu_would_not_realize_is_no_device(
    changed: dict[str, str], words: str
) -> None:
    with pytest.raises(TrialError, match=words):
        machine("virtio-blk-pci", **changed)


def test_the_variants_are_what_their_names_say() -> None:
    transitional = virtio(device("virtio-rng-pci-transitional"))
    modern = virtio(device("virtio-rng-pci-non-transitional"))
    assert transitional.read(0, 4) == 0x10051AF4
    assert modern.read(0, 4) == 0x10441AF4
    assert spec.LEGACY_BAR in transitional.bars
    assert spec.LEGACY_BAR not in modern.bars


# --- What a stream may not bring ------------------------------------------------------------------


def test_a_feature_that_the_destination_does_not_offer_is_refused() -> None:
    offered, withheld = (
        Side(value, catalogue("10.0"), "pc-q35-7.2", globals=entries)
        for value, entries in (
            ("on", ()),
            ("off", (Global("virtio-rng-pci", "indirect_desc", "off", "user"),)),
        )
    )
    outcomes = [trial((offered, withheld), ("virtio-rng-pci",), seed) for seed in range(8)]
    refused = [result for result in outcomes if result.outcome == "refused"]
    assert refused
    for result in refused:
        assert result.kind == "virtio"
        assert "unsupported. Allowed features: 0x" in result.reason
    assert all(
        trial((withheld, offered), ("virtio-rng-pci",), seed).outcome == "correct"
        for seed in range(4)
    )


@pytest.mark.parametrize(("release", "refused"), [("7.2", False), ("11.1", True)])
def test_a_larger_queue_is_refused_where_the_release_compares(release: str, refused: bool) -> None:
    source = machine("virtio-blk-pci", "10.0", queue_size="512")
    words = loading(device("virtio-blk-pci", release), saved_section(source))
    assert words == ("VQ 0 vring.num 512 exceeds allocated max 256" if refused else "")


def test_an_unknown_or_newer_subsection_is_refused() -> None:
    payload = saved_section(device("virtio-rng-pci"))
    own = device("virtio-rng-pci")
    unknown = payload.replace(b"virtio/virtqueues", b"virtio/virtpueues")
    assert "unknown subsection 'virtio/virtpueues'" in loading(own, unknown)
    newer = payload.replace(b"virtio/virtqueues\0\0\0\1", b"virtio/virtqueues\0\0\0\2")
    assert "virtio/virtqueues: incoming version_id 2 is too new" in loading(own, newer)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_section_that_is_too_short_or_too_long(driver: str) -> None:
    payload = saved_section(device(driver))
    for size in (0, 3, 100, 300, 320, len(payload) // 2, len(payload) - 1):
        assert loading(device(driver), payload[:size])
    assert loading(device(driver), payload + b"\0") == "Missing section footer"


def test_rings_that_contradict_what_the_device_took_are_refused() -> None:
    own = machine("virtio-rng-pci")
    started(own)
    virtio(own).queues[0].last_available = 100
    there = device("virtio-rng-pci")
    virtio(there).platform.ram.replace(virtio(own).platform.ram.pages())
    assert loading(there, saved_section(own)) == ""  # more available than there can be: broken
    assert virtio(there).is_broken


def test_without_extra_state_the_modern_registers_stay_behind() -> None:
    own = machine("virtio-rng-pci", migrate_extra="off")
    started(own)
    there = machine("virtio-rng-pci")
    virtio(there).platform.ram.replace(virtio(own).platform.ram.pages())
    assert not loading(there, saved_section(own))
    assert virtio(own).registers[0].enabled
    assert virtio(there).registers == {}
