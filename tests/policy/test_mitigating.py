"""A mitigation is offered where the trial passes with it, and only there."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from finding_world import NEWEST, NIC, OLDER, catalogue, release, taken
from sample_subjects import upstream

from machines.emulator import replay
from machines.emulator.catalogue import CompatProperty, Field
from machines.emulator.pci import msix_vectors
from machines.emulator.release import Release
from machines.emulator.snapshot import Snapshot, layout_of, read_snapshot
from machines.emulator.virtio import parse
from policy.questions.mitigating import suggest_for_stream, suggest_mitigations

DATA = Path(__file__).resolve().parents[1] / "data"
FLIPS = DATA / "flips" / "10.0" / "pc-q35-5.2"
STREAMS = DATA / "streams"


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


def with_section(config: str, idstr: str, queues: Sequence[int]) -> Snapshot:
    """A stream of 7.2 whose device at ``idstr`` was sent with virtqueues of these sizes."""
    stream = read_snapshot(STREAMS / "7.2" / "pc-q35-7.2" / f"{config}.mig.xz")
    section = stream.by_key[idstr, 0]
    payload, [at, *_] = (
        section.payload,
        [leaf.offset for leaf in layout_of(section).leaves if leaf.kind == "virtio"],
    )
    before = parse(payload[at:]).queues
    assert len(before) == len(queues)
    vectors = msix_vectors(parse(payload[at:]).config)
    each = [struct.pack(">IQH", queue.size, queue.address, 0) for queue in before]
    first = payload.index(struct.pack(">I", len(before)) + each[0], at) + 4
    for size in queues:
        payload = payload[:first] + struct.pack(">I", size) + payload[first + 4 :]
        first += 14 + (2 if vectors else 0)
    listed = [
        replace(item, payload=payload) if item is section else item for item in stream.sections
    ]
    by_key = {(item.idstr, item.instance_id): item for item in listed}
    return replace(stream, sections=tuple(listed), by_key=by_key)


@pytest.mark.parametrize(
    ("queues", "wanted"),
    [
        ((512, 256, 64), ["rx_queue_size=512", "rx_queue_size=1024"]),
        ((1024, 512, 64), ["rx_queue_size=1024, virtio-net-pci.tx_queue_size=512"]),
        ((256, 256, 128), []),  # the control queue's size is fixed
        ((4096, 256, 64), []),  # larger than any device takes
    ],
)
def test_a_queue_s_size_is_offered_only_where_the_device_takes_it(
    queues: tuple[int, ...], wanted: list[str]
) -> None:
    stream = with_section("virtio-net", "0000:00:01.0/virtio-net", queues)
    profile = read_snapshot(STREAMS / "11.1" / "pc-q35-7.2" / "virtio-net.mig.xz")
    found = suggest_for_stream(stream, upstream("11.1"), profile)
    texts = [item.text.removeprefix("virtio-net-pci.") for item in found]
    assert texts[: len(wanted)] == wanted if wanted else not texts


def test_queues_that_no_property_makes_larger_are_not_mended() -> None:
    """QEMU 10.0 sent every queue with room for 1024, a network device's control queue too."""
    stream = read_snapshot(STREAMS / "10.0" / "pc-q35-7.2" / "virtio-net.mig.xz")
    profile = read_snapshot(STREAMS / "11.1" / "pc-q35-7.2" / "virtio-net.mig.xz")
    assert suggest_for_stream(stream, upstream("11.1"), profile) == ()


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
