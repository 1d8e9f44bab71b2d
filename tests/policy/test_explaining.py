"""A pasted failure leads to the device, to what differs, and to what would have prevented it."""

from __future__ import annotations

import pytest
from sample_subjects import decided_upstream, rhel, upstream, without

from machines.emulator.refusals import Kind
from policy.findings import Subject
from policy.questions.explaining import Explanation, explain
from policy.questions.qemu_log import read_log


def explained(text: str, source: Subject, destination: Subject, machine: str) -> Explanation:
    [failure] = read_log(text).failures
    return explain(failure, source, destination, machine)


def test_the_rebuild_that_lost_its_footer_is_explained() -> None:
    """RHEL's piix4_pm between two minor releases: one sends acpi_index, the other does not."""
    found = explained(
        "qemu-kvm: Missing section footer for 0000:00:01.3/piix4_pm\n"
        "qemu-kvm: load of migration failed: Invalid argument",
        rhel("8.9"),
        rhel("9.2"),
        "pc-i440fx-rhel7.6.0",
    )
    assert found.devices == ("PIIX4_PM",)
    [cause] = found.causes
    assert (cause.driver, cause.property) == ("PIIX4_PM", "x-not-migrate-acpi-index")
    assert (cause.source, cause.destination) == ("off", "on")
    assert [item.action for item in cause.proposals] == ["add-entries", "add-mitigation"]


def test_a_byte_of_configuration_space_leads_to_the_vectors() -> None:
    found = explained(
        "get_pci_config_device: Bad config data: i=0x34 read: 98 device: 84 cmask: ff\n"
        "error while loading state for instance 0x0 of device '0000:00:05.0/virtio-rng'",
        rhel("9.2"),
        rhel("9.3"),
        "pc-q35-rhel9.0.0",
    )
    assert found.causes[0].driver == "virtio-rng-pci"
    assert found.causes[0].property == "vectors"
    assert "byte 0x34" in found.text


def test_a_ram_block_leads_to_the_device_that_names_it() -> None:
    broken = decided_upstream("10.0", without("VGA", "global-vmstate"))
    found = explained(
        'Unknown ramblock "0000:00:06.0/vga.vram", cannot accept migration',
        broken,
        upstream("7.2"),
        "pc-i440fx-2.12",
    )
    assert [f"{item.driver}.{item.property}" for item in found.causes] == ["VGA.global-vmstate"]


def test_a_newer_section_is_told_with_both_versions() -> None:
    found = explained(
        "savevm: unsupported version 2 for 'ipmi-bmc-sim' v1",
        upstream("11.1"),
        upstream("7.2"),
        "pc-q35-7.2",
    )
    assert "version 2 of ipmi-bmc-sim" in found.text
    assert found.devices == ("ipmi-bmc-sim",)
    assert found.differences


def test_where_nothing_is_known_to_differ_candidates_are_named() -> None:
    found = explained(
        "Missing section footer for 0000:00:01.3/piix4_pm",
        upstream("10.0"),
        upstream("11.1"),
        "pc-i440fx-6.2",
    )
    assert found.causes == ()
    assert "PIIX4_PM.x-not-migrate-acpi-index" in found.candidates
    assert found.to_json()["candidates"] == list(found.candidates)


def test_a_feature_that_the_guest_has_leads_to_its_property() -> None:
    """Bit 40 is VIRTIO_F_RING_RESET: RHEL 9.2 left it on for older machine types, 9.3 did not."""
    found = explained(
        "qemu-kvm: Features 0x10130002054 unsupported. Allowed features: 0x179002054\n"
        "qemu-kvm: Failed to load virtio-blk:virtio\n"
        "qemu-kvm: error while loading state for instance 0x0 of device '0000:00:02.0/virtio-blk'",
        rhel("9.2"),
        rhel("9.3"),
        "pc-q35-rhel9.0.0",
    )
    assert found.failure.section == "0000:00:02.0/virtio-blk"
    assert "bit 40" in found.text
    [cause] = found.causes
    assert f"{cause.driver}.{cause.property}" == "virtio-device.queue_reset"
    assert (cause.source, cause.destination) == ("on", "false")
    assert [item.action for item in cause.proposals] == ["add-entries", "add-mitigation"]


def test_a_feature_of_one_kind_of_device_has_its_own_bits() -> None:
    """Bits 54, 55 and 56 of virtio-net: USO, which 8.1's machine types took from older ones."""
    broken = decided_upstream("10.0", without("virtio-net-device", "host_uso"))
    found = explained(
        "Features 0x100000000000000 unsupported. Allowed features: 0x179bfffe7\n"
        "error while loading state for instance 0x0 of device '0000:00:01.0/virtio-net'",
        broken,
        upstream("11.1"),
        "pc-q35-7.2",
    )
    assert [f"{item.driver}.{item.property}" for item in found.causes] == [
        "virtio-net-device.host_uso"
    ]


def test_a_queue_that_is_too_large_is_told_with_both_sizes() -> None:
    found = explained(
        "VQ 0 vring.num 1024 exceeds allocated max 256\n"
        "load of migration failed: Invalid argument: error while loading state for instance 0x0 "
        "of device '0000:00:01.0/virtio-net': Failed to load element of type virtio for virtio",
        upstream("10.0"),
        upstream("11.1"),
        "pc-q35-7.2",
    )
    assert "virtio-net-device" in found.devices
    assert "1024 entries in queue 0" in found.text and "256" in found.text
    assert any("queue" in name for name in found.candidates)


def test_a_section_that_is_too_old_is_told_with_what_helps() -> None:
    found = explained(
        "cpu_common: incoming version_id 0 is too old for local minimum version_id  1",
        upstream("7.2"),
        upstream("10.0"),
        "pc-q35-7.2",
    )
    assert "version 0 of cpu_common, older than upstream 10.0 reads" in found.text
    assert "declare upstream 7.2 → upstream 10.0 refused" in found.advice


def test_a_subsection_leads_to_its_device_and_its_gate() -> None:
    found = explained(
        "VM subsection 'scsi-disk/pr' in 'scsi-disk' does not exist\n"
        "error while loading state for instance 0x0 of device '0:0:0/scsi-disk'",
        upstream("11.1"),
        upstream("7.2"),
        "pc-q35-7.2",
    )
    assert "scsi-hd" in found.devices or "scsi-block" in found.devices
    assert "has no subsection scsi-disk/pr" in found.text
    assert "Switch the feature off that sends scsi-disk/pr" in found.advice


def test_a_nested_structure_leads_to_the_devices_that_have_it() -> None:
    found = explained(
        "esp: incoming version_id 6 is too new for local version_id 5",
        upstream("7.2"),
        upstream("5.2"),
        "pc-q35-5.2",
    )
    assert {"am53c974", "dc390"} <= set(found.devices)


#: Kind → (a message, words of the sentence, words of what helps).
FORMS: dict[Kind, tuple[str, str, str]] = {
    "unknown-section": (
        "Unknown savevm section or instance '0000:00:02.0/nvme' 0.",
        "upstream 11.1 has no device that reads the section 0000:00:02.0/nvme",
        "same devices",
    ),
    "version-too-new": (
        "savevm: unsupported version 2 for 'ipmi-bmc-sim' v1",
        "version 2 of ipmi-bmc-sim, newer than",
        "backport",
    ),
    "layout": ("Missing section footer for serial", "fields of serial", "fields"),
    "equal": (
        "Input validation failed: hpet/num_timers",
        "hpet (num_timers) must be the same",
        "same properties",
    ),
    "ramblock": (
        "Length mismatch: pc.bios: 0x20000 in != 0x40000: Invalid argument",
        "RAM block pc.bios has another name or size",
        "same memory",
    ),
    "unmigratable": (
        "State blocked by non-migratable device '0000:00:01.0/nvme'",
        "cannot be migrated",
        "Unplug",
    ),
    "machine-type": (
        "Machine type received is 'pc-q35-7.2' and local is 'pc-q35-7.1'",
        "The guest has machine type pc-q35-7.2",
        "-M pc-q35-7.2",
    ),
    "capability": (
        "Capability mapped-ram is off, but received capability is on",
        "mapped-ram is on in upstream 10.0 and off in upstream 11.1",
        "alike on both sides",
    ),
    "stream": ("Configuration section missing", "framing differs", "framing"),
}


@pytest.mark.parametrize("kind", FORMS)
def test_each_kind_of_refusal_says_what_it_is_and_what_helps(kind: Kind) -> None:
    message, text, advice = FORMS[kind]
    found = explained(message, upstream("10.0"), upstream("11.1"), "pc-q35-7.2")
    assert found.failure.kind == kind
    assert text in found.text
    assert found.causes or advice in found.advice
