"""Which properties decide what a stream holds and what a destination compares.

The tables name, for each place in which two devices can differ, the properties known to decide
it. They follow from the PCI and virtio specifications and from QEMU's hw/pci, hw/virtio and
hw/display. :mod:`machines.emulator.suggest` reads them from a refusal to a property.
"""

from __future__ import annotations

from dataclasses import dataclass

from machines.emulator import pci

#: What differs in a section's fields → the property that decides how they are sent.
FIELD_CLUES = (
    ("ports", ("p2", "p3", "ports")),
    ("msix", ("x-migrate-msix", "vectors", "msix")),
    ("acpi_index", ("x-not-migrate-acpi-index",)),
    ("timadj", ("migrate-timadj",)),
    ("vring.num", ("queue-size", "virtqueue_size", "rx_queue_size", "tx_queue_size")),
)
TYPE_CLUES = {"virtio-gpu": ("x-scanout-vmstate-version", "max_outputs")}
BLOCK_CLUES = (
    (".rom", ("romsize", "romfile", "rombar")),
    ("vram", ("global-vmstate", "vgamem_mb", "vram_size_mb", "vram_size")),
)

CONVENTIONAL_CLUES = {
    pci.CAP_MSIX: ("vectors", "msix", "msix-exclusive-bar"),
    pci.CAP_MSI: ("msi", "vectors"),
    pci.CAP_EXPRESS: ("x-disable-pcie", "disable-modern"),
    pci.CAP_PM: ("x-pcie-pm-init", "x-pcie-pm-no-soft-reset"),
    pci.CAP_SHPC: ("shpc",),
    pci.CAP_VENDOR: ("modern-pio-notify", "x-native-hotplug"),
}
EXTENDED_CLUES = {
    pci.EXT_AER: ("aer", "x-pcie-extcap-init"),
    pci.EXT_ACS: ("disable-acs",),
    pci.EXT_ATS: ("ats",),
    pci.EXT_ARI: ("x-pcie-ari-nextfn-1",),
    pci.EXT_SRIOV: ("sriov_max_vfs", "sriov-pf"),
}


@dataclass(frozen=True, slots=True)
class Register:
    """Bits of a capability's register that a property decides; ``offset`` of the byte."""

    capability: int
    extended: bool
    offset: int
    bits: int
    properties: tuple[str, ...]


REGISTERS = (
    Register(pci.CAP_EXPRESS, False, 0x04, 0x20, ("x-pcie-ext-tag",)),
    Register(pci.CAP_EXPRESS, False, 0x07, 0x10, ("x-pcie-flr-init",)),
    Register(pci.CAP_EXPRESS, False, 0x0C, 0x0F, ("x-speed",)),
    Register(pci.CAP_EXPRESS, False, 0x0C, 0xF0, ("x-width",)),
    Register(pci.CAP_EXPRESS, False, 0x14, 0x02, ("power_controller_present",)),
    Register(pci.CAP_EXPRESS, False, 0x14, 0x60, ("hotplug", "x-native-hotplug")),
    Register(pci.CAP_EXPRESS, False, 0x16, 0xF8, ("slot",)),
    Register(pci.CAP_PM, False, 0x04, 0x08, ("x-pcie-pm-no-soft-reset",)),
    Register(pci.CAP_MSIX, False, 0x02, 0xFF, ("vectors",)),
    *(
        Register(pci.CAP_VENDOR, False, offset, 0xFF, ("page-per-vq",))
        for offset in range(0x0C, 0x14)  # how long virtio's notification area is, and its steps
    ),
    Register(pci.EXT_ARI, True, 0x05, 0xFF, ("x-pcie-ari-nextfn-1",)),
    *(
        Register(pci.EXT_AER, True, offset, 0xFF, ("x-pcie-err-unc-mask",))
        for offset in range(0x08, 0x0C)
    ),
)
