"""What broke real migrations is found before any trial, and what works is left in peace."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sample_subjects import decided_upstream, having_entry, losing, rhel, upstream, without

from policy.document import Migration
from policy.findings import Finding, Subject, findings, settling

TODAY = date(2026, 11, 23)
CASES = Path(__file__).resolve().parents[1] / "data" / "cases.jsonl"
#: Findings that say "an entry is missing or has another value".
DIFFERENT = ("missing-entry", "other-value", "unset-new-property")


def errors_of(subject: Subject, others: list[Subject], name: str) -> list[Finding]:
    found = findings(subject, others, TODAY)
    return [item for item in found if item.severity == "error" and item.place.property == name]


def refused_flips() -> list[tuple[str, str]]:
    cases = [json.loads(line) for line in CASES.read_text().splitlines()]
    refused = {
        (case["flip"]["driver"], case["flip"]["property"])
        for case in cases
        if case.get("flip") and case["stream"].startswith("flips") and not case["accepted"]
    }
    return sorted(refused)


@pytest.mark.parametrize(
    ("driver", "name", "device"),
    [
        ("PIIX4_PM", "x-not-migrate-acpi-index", "PIIX4_PM"),
        ("virtio-rng-pci", "vectors", "virtio-rng-pci"),
        ("virtio-gpu-device", "x-scanout-vmstate-version", "virtio-gpu-device"),
        ("pci-device", "x-pcie-err-unc-mask", "pcie-root-port"),
        ("e1000e", "migrate-timadj", "e1000e"),
        ("VGA", "global-vmstate", "VGA"),
    ],
)
def test_a_historical_breakage_is_an_error_before_any_trial(
    driver: str, name: str, device: str
) -> None:
    broken = decided_upstream("10.0", without(driver, name))
    found = errors_of(broken, [upstream("5.2"), upstream("7.2"), upstream("11.1")], name)
    found = [item for item in found if item.place.device == driver]
    assert any(item.code == "missing-entry" for item in found)
    for item in found:
        assert f"{driver}.{name}" in item.text
        assert device in item.devices


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("PIIX4_PM", "x-not-migrate-acpi-index"),
        ("e1000e", "migrate-timadj"),
        ("VGA", "global-vmstate"),
    ],
)
def test_the_same_in_a_downstream_with_a_stand_in_for_its_base(driver: str, name: str) -> None:
    others = [rhel("9.2"), rhel("8.9")]
    before = {item.identity for item in findings(rhel("9.3"), others, TODAY)}
    found = errors_of(rhel("9.3", without(driver, name)), others, name)
    assert {item.code for item in found if item.identity not in before} == {"missing-entry"}


def test_every_flip_that_real_qemu_refused_is_an_error() -> None:
    others = [upstream("7.2"), upstream("11.1")]
    assert len(refused_flips()) >= 7
    for driver, name in refused_flips():
        broken = decided_upstream("10.0", without(driver, name))
        assert errors_of(broken, others, name), f"{driver}.{name}"


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("ICH9-LPC", "acpi-pci-hotplug-with-bridge-support"),
        ("i8042", "extended-state"),
        ("virtio-blk-device", "report-discard-granularity"),
        ("base-pci-bridge", "x-pci-express-writeable-slt-bug"),
        ("migration", "zero-page-detection"),
        ("x86_64-cpu", "legacy-multi-node"),
        ("scsi-hd", "migrate-emulated-scsi-request"),
        ("scsi-cd", "migrate-emulated-scsi-request"),
    ],
)
def test_flips_that_real_qemu_accepts_are_no_errors_of_migration(driver: str, name: str) -> None:
    broken = decided_upstream("10.0", without(driver, name))
    found = errors_of(broken, [upstream("7.2"), upstream("11.1")], name)
    assert [item.code for item in found if item.code != "abi-changed"] == []


def accepted_flips() -> list[tuple[str, str]]:
    """Driver and property of the flips that real QEMU accepted in both directions."""
    cases = [json.loads(line) for line in CASES.read_text().splitlines()]
    flips = [case for case in cases if case.get("flip") and case["stream"].startswith("flips")]
    named = {(case["flip"]["driver"], case["flip"]["property"]) for case in flips}
    return sorted(named - set(refused_flips()))


#: Flips of which the recorded machine shows nothing: it has no such device, or its guest, which
#: has not run, has negotiated no feature. A guest that has, where the device is, is refused.
NOTHING_TO_SEE = {
    ("PIIX4_PM", "x-not-migrate-acpi-index"),
    ("igb", "x-pcie-flr-init"),
    ("pci-device", "x-pcie-ari-nextfn-1"),
    ("vhost-vsock-device", "seqpacket"),
    ("virtio-balloon-pci-non-transitional", "vectors"),
    ("virtio-balloon-pci-transitional", "vectors"),
    ("virtio-device", "queue_reset"),
    ("virtio-mem", "unplugged-inaccessible"),
    ("virtio-mem", "x-early-migration"),
    ("virtio-mem-pci", "vectors"),
    ("virtio-net-device", "guest_uso4"),
    ("virtio-net-device", "guest_uso6"),
    ("virtio-net-device", "host_uso"),
    ("virtio-rng-pci-non-transitional", "vectors"),
    ("virtio-rng-pci-transitional", "vectors"),
}


def test_no_other_flip_that_real_qemu_accepts_is_an_error() -> None:
    others = [upstream("7.2"), upstream("11.1")]
    accused = set()
    for driver, name in accepted_flips():
        broken = decided_upstream("10.0", without(driver, name))
        found = errors_of(broken, others, name)
        accused |= {
            (driver, name) for i in found if i.code != "abi-changed" and i.place.device == driver
        }
    assert accused <= NOTHING_TO_SEE


SIX = [
    ("PIIX4_PM", "x-not-migrate-acpi-index"),
    ("virtio-rng-pci", "vectors"),
    ("virtio-gpu-device", "x-scanout-vmstate-version"),
    ("pci-device", "x-pcie-err-unc-mask"),
    ("e1000e", "migrate-timadj"),
    ("VGA", "global-vmstate"),
]
UPSTREAM = ("5.2", "7.2", "10.0", "11.1")


@pytest.mark.parametrize(("driver", "name"), SIX)
def test_it_is_found_on_whichever_machine_type_of_whichever_release(driver: str, name: str) -> None:
    """Each machine type that has the entry loses it alone: the oldest, one between, the newest."""
    tried = 0
    for version in UPSTREAM:
        others = [upstream(other) for other in UPSTREAM if other != version]
        shared = {machine_type for other in others for machine_type in other.machine_types}
        having = [name_ for name_ in having_entry(version, driver, name) if name_ in shared]
        for machine_type in {*having[:1], *having[len(having) // 2 :][:1], *having[-1:]}:
            found = errors_of(losing(version, machine_type, driver, name), others, name)
            named = [i for i in found if i.code == "missing-entry" and i.place.device == driver]
            assert any(machine_type in item.machine_types for item in named), machine_type
            tried += 1
    assert tried >= 4


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("pci-device", "x-pcie-ari-nextfn-1"),
        ("pci-device", "x-pcie-err-unc-mask"),
        ("e1000e", "migrate-timadj"),
        ("virtio-mem", "x-early-migration"),
    ],
)
def test_it_is_found_on_what_was_the_newest_machine_type_then(driver: str, name: str) -> None:
    """Of which 7.2 tells no entries, as there are none, and has guests."""
    own = losing("10.0", "pc-q35-7.2", driver, name)
    [item] = errors_of(own, [upstream("7.2")], name)
    assert (item.code, item.machine_types) == ("missing-entry", ("pc-q35-7.2",))


@pytest.mark.parametrize("version", UPSTREAM)
def test_untouched_upstream_releases_miss_nothing(version: str) -> None:
    others = [upstream(other) for other in UPSTREAM if other != version]
    for own in (upstream(version), decided_upstream(version, lambda policy: policy)):
        found = findings(own, others, TODAY)
        assert not [i for i in found if i.severity == "error" and i.code in DIFFERENT]


def test_what_7_2_was_shipped_without_is_told_and_is_no_error_of_its_own() -> None:
    """virtio-rng-pci got its MSI-X vectors in 7.2; only 8.0 set them on older machine types."""
    own = decided_upstream("7.2", lambda policy: policy)
    others = [upstream("5.2"), upstream("10.0")]
    [item] = [
        i
        for i in findings(own, others, TODAY)
        if i.code == "shipped-without" and "rng-pci." in i.text
    ]
    assert (item.severity, item.partner) == ("warning", "upstream 5.2")
    assert "upstream 7.2 was shipped without" in item.text


def test_a_migration_that_meets_it_makes_it_an_error_until_it_is_mitigated() -> None:
    way = Migration("upstream 5.2", "upstream 7.2", "correct")
    own = decided_upstream("7.2", lambda policy: replace(policy, migrations=(way,)))
    others = [upstream("5.2"), upstream("10.0")]
    [item] = [i for i in errors_of(own, others, "vectors") if i.place.device == "virtio-rng-pci"]
    assert (item.code, str(item.pairs[0])) == ("shipped-without", "upstream 5.2 → upstream 7.2")
    assert own.policy is not None
    mended = settling.applied(own.policy, item.proposals[0])
    again = errors_of(decided_upstream("7.2", lambda policy: mended), others, "vectors")
    assert "virtio-rng-pci" not in {item.place.device for item in again}


@pytest.mark.parametrize("version", ["8.9", "9.2", "9.3"])
def test_untouched_rhel_misses_nothing_and_is_judged_quickly(version: str) -> None:
    others = [rhel(other) for other in ("8.9", "9.2", "9.3") if other != version]
    own = rhel(version)
    began = time.process_time()
    found = findings(own, others, TODAY)
    assert time.process_time() - began < 2  # half a second, of a machine that has nothing else
    assert not [i for i in found if i.severity == "error" and i.code in DIFFERENT]


def test_rhel_9_3_repaired_what_9_2_had_shipped_and_says_so() -> None:
    found = findings(rhel("9.3"), [rhel("9.2")], TODAY)
    [item] = [
        i for i in found if (i.place.device, i.place.property) == ("virtio-rng-pci", "vectors")
    ]
    assert "pc-q35-rhel9.0.0" in item.machine_types
    assert (item.code, item.severity) == ("breaks-shipped", "error")
    assert {str(p) for p in item.pairs} == {"rhel 9.2 → rhel 9.3", "rhel 9.3 → rhel 9.2"}
    assert item.proposals[0].action == "add-mitigation"
