"""What each property of QEMU's devices decides of a migration, as tables.

They name, for each place in which two devices can differ, the properties known to decide it. They
follow from the PCI and virtio specifications and from QEMU's migration, hw/pci, hw/virtio and
hw/display. :mod:`machines.emulator.relevance` asks them from a property to what it decides,
:mod:`machines.emulator.clues` from the place of a refusal to the property.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from machines.emulator import pci
from machines.emulator.virtio import FEATURE_PROPERTIES

#: What a property can decide:
#:
#: ``fields``      which fields a section has, so where it ends
#: ``subsection``  whether a subsection is sent; harms only where the destination has none such
#: ``section``     by which name and instance a section is found, or whether there is one
#: ``pci-config``  bytes of configuration space that the destination compares
#: ``ram-block``   a RAM block's name or size
#: ``virtio``      features that a guest may have negotiated, and sizes of its queues
#: ``equal``       a value that a destination compares with its own
#: ``requests``    how requests are sent that an error has stopped; no other guest has any
#: ``stream``      the stream's own framing
Mechanism = Literal[
    "fields",
    "subsection",
    "section",
    "pci-config",
    "ram-block",
    "virtio",
    "equal",
    "requests",
    "stream",
]

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


# --- Property by property -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decided:
    """Properties that decide ``place`` on descendants of ``families``; of any type if empty."""

    mechanism: Mechanism
    place: str
    families: tuple[str, ...]
    properties: tuple[str, ...]


QUEUE_SIZES = "the size of a virtqueue"
_VECTORS = "the number of MSI-X vectors"
FEATURE = "a feature that a guest may have negotiated"
_PCI = ("pci-device",)
_NET = ("virtio-net-device", "virtio-net-pci-base")
_BLK = ("virtio-blk-device", "virtio-blk-pci-base", "vhost-user-blk", "vhost-user-blk-pci-base")
_SCSI = ("virtio-scsi-common", "virtio-scsi-pci-base", "vhost-scsi-pci-base")
_VIRTIO = ("virtio-device", "virtio-pci")


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: Decides bits that a guest may write, and none that is compared.
_BEHIND_THE_MASKS = frozenset({"x-pcie-extcap-init"})
#: Names that mean something else on other types, and those of capabilities that few types have:
#: who calls pcie_aer_init and pcie_ari_init (hw/pci, hw/net, hw/nvme, hw/virtio, hw/vfio, hw/cxl).
_FAMILIES = {
    "hotplug": ("pcie-slot",),
    "slot": ("pcie-slot",),
    "x-pcie-err-unc-mask": _split("pcie-port e1000e igb igbvf virtio-pci vfio-pci cxl-type3"),
    "x-pcie-ari-nextfn-1": _split("igb igbvf nvme virtio-pci vfio-pci"),
}


def _of_tables() -> Iterator[Decided]:
    """What the tables above say of capabilities and registers, property by property."""
    listed = [*CONVENTIONAL_CLUES.values(), *EXTENDED_CLUES.values()]
    listed += [register.properties for register in REGISTERS]
    for name in sorted({name for names in listed for name in names} - _BEHIND_THE_MASKS):
        place = _VECTORS if name == "vectors" else "PCI configuration space"
        yield Decided("pci-config", place, _FAMILIES.get(name, _PCI), (name,))


_CONFIG = (
    # hw/pci, hw/virtio/virtio-pci.c and the device's own realize: identification, capabilities
    Decided("pci-config", "the PCI class", ("virtio-pci",), ("class",)),
    Decided("pci-config", "the programming interface", _PCI, ("prog_if",)),
    Decided("pci-config", "the PCI revision", ("pci-qxl",), ("revision",)),
    Decided("pci-config", "the device id and the BARs", ("virtio-pci",), ("disable-legacy",)),
    Decided("pci-config", "the BARs", ("pci-vga",), ("mmio",)),
    Decided(
        "pci-config",
        "the order of the capabilities",
        _PCI,
        _split(
            "old_msi_addr force-pcie-endcap x-old-msi-offsets x-old-pci-configuration "
            "x-rh-late-msi-cap"
        ),
    ),
    Decided(
        "pci-config",
        "what the bridge reserves",
        ("pcie-root-port", "pci-bridge"),
        _split("bus-reserve io-reserve mem-reserve pref32-reserve pref64-reserve"),
    ),
    Decided(
        "pci-config",
        "which bits of device and link control a guest may write",
        ("virtio-pci",),
        ("x-pcie-deverr-init", "x-pcie-lnkctl-init"),
    ),
    Decided("pci-config", "the ATS capability", ("virtio-pci",), ("x-ats-page-aligned",)),
    # A vector for each queue, where the number of vectors is not set itself.
    Decided("pci-config", _VECTORS, (*_BLK, *_SCSI), ("num-queues", "num_queues")),
)

_STATE = (
    # hw/acpi/piix4.c, hw/pci-bridge/gen_pcie_root_port.c, hw/virtio/virtio-mem.c, hw/scsi
    Decided("fields", "acpi_pci_hotplug", ("PIIX4_PM",), ("acpi-pci-hotplug-with-bridge-support",)),
    Decided("fields", "the MSI-X state", ("pcie-root-port-base",), ("x-migrate-msix",)),
    Decided("fields", "virtio-mem-device-early", ("virtio-mem",), ("x-early-migration",)),
    Decided(
        "requests",
        "requests that an error has stopped",
        ("scsi-disk-base",),
        ("migrate-emulated-scsi-request",),
    ),
    # hw/pci/pcie_aer.c, hw/timer/hpet.c
    Decided("equal", "the length of the AER log", ("pcie-port",), ("aer_log_max",)),
    Decided("equal", "the number of timers", ("hpet",), ("timers",)),
    # migration/savevm.c: by which name and instance a section is found
    Decided("section", "the section's instance", (), ("legacy-instance-id",)),
    Decided("section", "the path in the section's name", ("usb-device",), ("full-path",)),
    # migration/ram.c: a block is found by its name and must be of one size
    *(Decided("ram-block", "a RAM block", (), names) for _, names in BLOCK_CLUES),
    Decided("ram-block", "a RAM block", (), ("vram64_size_mb", "ram_size_mb", "ram_size")),
    Decided("ram-block", "a RAM block", (), ("x-use-canonical-path-for-ramblock-id",)),
)

#: Families → feature bit → the property that decides it (virtio 1.2, chapters 5 and 6).
FEATURE_BITS: tuple[tuple[tuple[str, ...], dict[int, str]], ...] = (
    (_VIRTIO, FEATURE_PROPERTIES),
    (
        _NET,
        {
            0: "csum",
            1: "guest_csum",
            2: "ctrl_guest_offloads",
            6: "gso",
            7: "guest_tso4",
            8: "guest_tso6",
            9: "guest_ecn",
            10: "guest_ufo",
            11: "host_tso4",
            12: "host_tso6",
            13: "host_ecn",
            14: "host_ufo",
            15: "mrg_rxbuf",
            16: "status",
            17: "ctrl_vq",
            18: "ctrl_rx",
            19: "ctrl_vlan",
            20: "ctrl_rx_extra",
            21: "guest_announce",
            22: "mq",
            23: "ctrl_mac_addr",
            46: "guest_tunnel",
            47: "guest_tunnel_csum",
            48: "host_tunnel",
            49: "host_tunnel_csum",
            54: "guest_uso4",
            55: "guest_uso6",
            56: "host_uso",
            57: "hash",
            60: "rss",
            61: "guest_rsc_ext",
        },
    ),
    (_BLK, {7: "scsi", 11: "config-wce", 13: "discard", 14: "write-zeroes", 16: "secure-erase"}),
    (_SCSI, {1: "hotplug", 2: "param_change", 3: "t10_pi"}),
    (
        ("virtio-balloon-device", "virtio-balloon-pci-base"),
        {2: "deflate-on-oom", 3: "free-page-hint", 4: "page-poison", 5: "free-page-reporting"},
    ),
    (("virtio-serial-device", "virtio-serial-pci-base"), {2: "emergency-write"}),
    (
        ("virtio-gpu-base", "virtio-gpu-pci-base", "virtio-vga-base"),
        {0: "virgl", 1: "edid", 2: "resource_uuid", 3: "blob", 4: "context_init"},
    ),
    (("vhost-vsock-common", "vhost-vsock-pci-base"), {1: "seqpacket"}),
    (("virtio-mem", "virtio-mem-pci-base"), {1: "unplugged-inaccessible"}),
)


def _by_property() -> dict[str, list[Decided]]:
    found: dict[str, list[Decided]] = {}
    features = (
        Decided("virtio", FEATURE, families, tuple(named.values()))
        for families, named in FEATURE_BITS
    )
    sizes = next(names for part, names in FIELD_CLUES if part == "vring.num")
    queues = Decided("virtio", QUEUE_SIZES, _VIRTIO, sizes)
    for decided in (*_of_tables(), *_CONFIG, *_STATE, *features, queues):
        for name in decided.properties:
            found.setdefault(name, []).append(decided)
    return found


#: Property → all that it decides.
DECIDED: Mapping[str, Sequence[Decided]] = _by_property()
