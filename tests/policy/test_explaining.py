"""A pasted failure leads to the device, to what differs, and to what would have prevented it."""

from __future__ import annotations

from sample_subjects import decided_upstream, rhel, upstream, without

from policy.explaining import Explanation, explain
from policy.findings import Subject
from policy.qemu_log import read_log


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
