"""A mitigation is offered where the trial passes with it, and only there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from finding_world import NEWEST, NIC, OLDER, catalogue, release, taken
from sample_subjects import upstream

from machines.emulator import replay
from machines.emulator.catalogue import CompatProperty, Field
from machines.emulator.release import Release
from machines.emulator.snapshot import read_snapshot
from policy.mitigating import suggest_for_stream, suggest_mitigations

FLIPS = Path(__file__).resolve().parents[1] / "data" / "flips" / "10.0" / "pc-q35-5.2"


def test_a_feature_that_the_source_lacks_is_switched_off_for_its_guests() -> None:
    own = release("1.2", backports=(taken("tock"),))
    [found] = suggest_mitigations(release("1.1"), own, OLDER, ["nic"])
    assert (found.text, found.outcome) == ("nic.x-tock=off", "correct")


def test_several_properties_are_reduced_to_those_that_are_needed() -> None:
    own = release(
        "1.2", backports=(taken("tock"), taken("tack"), taken("tuck")), older=("nic.x-tuck=off",)
    )
    [found] = suggest_mitigations(release("1.1"), own, OLDER, ["nic"])
    assert {entry.property for entry in found.entries} == {"x-tock", "x-tack"}


def test_nothing_is_suggested_where_the_trial_passes_or_nothing_helps() -> None:
    assert suggest_mitigations(release("1.1"), release("1.2"), NEWEST, ["nic"]) == ()
    newer = replace(NIC, version_id=2, fields=(*NIC.fields, Field("more", 4)))
    before = release("1.1", told=catalogue(descriptions={"nic": newer}))
    assert suggest_mitigations(before, release("1.2"), NEWEST, ["nic"]) == ()


@pytest.mark.parametrize(
    ("flip", "entries"),
    [
        ("e1000e.migrate-timadj", "e1000e.migrate-timadj=on"),
        ("pci-device.x-pcie-ext-tag", "pci-device.x-pcie-ext-tag=on"),
        ("virtio-rng-pci.vectors", "virtio-rng-pci.vectors=2"),
        ("virtio-net-pci-base.vectors", "virtio-net-pci-base.vectors=4"),
        (
            "virtio-gpu-device.x-scanout-vmstate-version",
            "virtio-gpu-device.x-scanout-vmstate-version=2",
        ),
    ],
)
def test_a_real_stream_is_let_in_by_what_its_source_had_set(flip: str, entries: str) -> None:
    profile = read_snapshot(FLIPS / "base.mig.xz")
    stream = read_snapshot(FLIPS / f"{flip}.mig.xz")
    found = suggest_for_stream(stream, upstream("10.0"), profile)
    assert found[0].text == entries
    into = Release.of(upstream("10.0").catalogue)
    for item in found:  # every set that is offered lets it in, and no entry of one is too much
        told = [(entry.driver, entry.property, entry.value) for entry in item.entries]
        assert replay.trial(stream, into, profile, told).outcome == "accepted"
        for number in range(len(told)):
            fewer = told[:number] + told[number + 1 :]
            assert replay.trial(stream, into, profile, fewer).outcome != "accepted"


def test_a_stream_that_is_accepted_needs_none() -> None:
    profile = read_snapshot(FLIPS / "base.mig.xz")
    assert suggest_for_stream(profile, upstream("10.0"), profile) == ()


def test_what_the_destination_has_in_any_case_is_not_suggested() -> None:
    profile = read_snapshot(FLIPS / "base.mig.xz")
    stream = read_snapshot(FLIPS / "e1000e.migrate-timadj.mig.xz")
    given = [CompatProperty("e1000e", "migrate-timadj", "on")]
    assert suggest_for_stream(stream, upstream("10.0"), profile, given=given) == ()


def test_a_search_on_a_stream_is_watched_and_ended_from_outside() -> None:
    profile = read_snapshot(FLIPS / "base.mig.xz")
    stream = read_snapshot(FLIPS / "virtio-rng-pci.vectors.mig.xz")
    seen: list[int] = []

    def watch(held: int, most: int) -> None:
        assert held < most
        seen.append(held)
        if held == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        suggest_for_stream(stream, upstream("10.0"), profile, watch=watch)
    assert seen == [0, 1]
