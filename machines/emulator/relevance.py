"""Which properties decide what a stream holds and what a destination compares.

The tables name, for each place in which two devices can differ, the properties known to decide
it. They follow from the PCI and virtio specifications and from QEMU's migration, hw/pci, hw/virtio
and hw/display. Two modules read them: :mod:`machines.emulator.suggest` from a refusal to a
property, and :func:`influences` from a property to what it decides.

    >>> from machines.emulator.catalogue import Field
    >>> catalogue = Catalogue("1.0", types={"pci-device": None, "rng": "pci-device"},
    ...     descriptions={"rng": Description("rng", 1, 1, (Field("a", 4),))})
    >>> [item.mechanism for item in influences(catalogue, "rng", "vectors")]
    ['pci-config']
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from machines.emulator import pci
from machines.emulator.catalogue import Catalogue, Description
from machines.emulator.memo import remembered
from machines.emulator.names import words
from machines.emulator.qdev import ancestors, property_of
from machines.emulator.release import Release
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


# --- From a property to what it decides -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Influence:
    """What a property decides on some device types that migrate.

    ``place`` is what a person looks for: a field, a capability, a RAM block, a subsection's name.
    """

    mechanism: Mechanism
    place: str
    devices: tuple[str, ...]

    def matters_to(self, destination: Catalogue) -> bool:
        """Can a difference in this property refuse or corrupt a stream that ``destination`` loads?

        A subsection that is not sent does no harm, nor does one that the destination knows: it is
        found by its name, whatever the property says there (``vmstate_subsection_load``).
        """
        if self.mechanism == "subsection":
            there = destination.descriptions
            return any(
                device in there and self.place not in _subsections(there[device])
                for device in self.devices
            )
        if self.place == QUEUE_SIZES:
            return Release.of(destination).checks_queue_sizes
        return True


@dataclass(frozen=True, slots=True)
class _Decided:
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


def _of_tables() -> Iterator[_Decided]:
    """What the tables above say of capabilities and registers, property by property."""
    listed = [*CONVENTIONAL_CLUES.values(), *EXTENDED_CLUES.values()]
    listed += [register.properties for register in REGISTERS]
    for name in sorted({name for names in listed for name in names} - _BEHIND_THE_MASKS):
        place = _VECTORS if name == "vectors" else "PCI configuration space"
        yield _Decided("pci-config", place, _FAMILIES.get(name, _PCI), (name,))


_CONFIG = (
    # hw/pci, hw/virtio/virtio-pci.c and the device's own realize: identification, capabilities
    _Decided("pci-config", "the PCI class", ("virtio-pci",), ("class",)),
    _Decided("pci-config", "the programming interface", _PCI, ("prog_if",)),
    _Decided("pci-config", "the PCI revision", ("pci-qxl",), ("revision",)),
    _Decided("pci-config", "the device id and the BARs", ("virtio-pci",), ("disable-legacy",)),
    _Decided("pci-config", "the BARs", ("pci-vga",), ("mmio",)),
    _Decided(
        "pci-config",
        "the order of the capabilities",
        _PCI,
        _split(
            "old_msi_addr force-pcie-endcap x-old-msi-offsets x-old-pci-configuration "
            "x-rh-late-msi-cap"
        ),
    ),
    _Decided(
        "pci-config",
        "what the bridge reserves",
        ("pcie-root-port", "pci-bridge"),
        _split("bus-reserve io-reserve mem-reserve pref32-reserve pref64-reserve"),
    ),
    _Decided(
        "pci-config",
        "which bits of device and link control a guest may write",
        ("virtio-pci",),
        ("x-pcie-deverr-init", "x-pcie-lnkctl-init"),
    ),
    _Decided("pci-config", "the ATS capability", ("virtio-pci",), ("x-ats-page-aligned",)),
    # A vector for each queue, where the number of vectors is not set itself.
    _Decided("pci-config", _VECTORS, (*_BLK, *_SCSI), ("num-queues", "num_queues")),
)

_STATE = (
    # hw/acpi/piix4.c, hw/pci-bridge/gen_pcie_root_port.c, hw/virtio/virtio-mem.c, hw/scsi
    _Decided(
        "fields", "acpi_pci_hotplug", ("PIIX4_PM",), ("acpi-pci-hotplug-with-bridge-support",)
    ),
    _Decided("fields", "the MSI-X state", ("pcie-root-port-base",), ("x-migrate-msix",)),
    _Decided("fields", "virtio-mem-device-early", ("virtio-mem",), ("x-early-migration",)),
    _Decided(
        "requests",
        "requests that an error has stopped",
        ("scsi-disk-base",),
        ("migrate-emulated-scsi-request",),
    ),
    # hw/pci/pcie_aer.c, hw/timer/hpet.c
    _Decided("equal", "the length of the AER log", ("pcie-port",), ("aer_log_max",)),
    _Decided("equal", "the number of timers", ("hpet",), ("timers",)),
    # migration/savevm.c: by which name and instance a section is found
    _Decided("section", "the section's instance", (), ("legacy-instance-id",)),
    _Decided("section", "the path in the section's name", ("usb-device",), ("full-path",)),
    # migration/ram.c: a block is found by its name and must be of one size
    *(_Decided("ram-block", "a RAM block", (), names) for _, names in BLOCK_CLUES),
    _Decided("ram-block", "a RAM block", (), ("vram64_size_mb", "ram_size_mb", "ram_size")),
    _Decided("ram-block", "a RAM block", (), ("x-use-canonical-path-for-ramblock-id",)),
)

#: Families → feature bit → the property that decides it (virtio 1.2, chapters 5 and 6).
_FEATURE_BITS: tuple[tuple[tuple[str, ...], dict[int, str]], ...] = (
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


def feature_properties(catalogue: Catalogue, driver: str, bits: int) -> tuple[str, ...]:
    """The properties that decide these feature bits on a device type, from the lowest bit on."""
    lineage = set(ancestors(catalogue, driver))
    return tuple(
        name
        for bit in range(bits.bit_length())
        if bits >> bit & 1
        for families, named in _FEATURE_BITS
        if lineage & set(families) and (name := named.get(bit, ""))
    )


def _by_property() -> dict[str, list[_Decided]]:
    found: dict[str, list[_Decided]] = {}
    features = (
        _Decided("virtio", FEATURE, families, tuple(named.values()))
        for families, named in _FEATURE_BITS
    )
    sizes = next(names for part, names in FIELD_CLUES if part == "vring.num")
    queues = _Decided("virtio", QUEUE_SIZES, _VIRTIO, sizes)
    for decided in (*_of_tables(), *_CONFIG, *_STATE, *features, queues):
        for name in decided.properties:
            found.setdefault(name, []).append(decided)
    return found


_DECIDED = _by_property()

#: A property that is not named like the subsection which it sends → the end of that one's name.
_SUBSECTIONS = {
    "extra_mac_registers": "full_mac_state",
    "memory-hotplug-support": "memhp",
    "migrate_tso_props": "tx_tso_state",
    "mitigation": "mit_state",
    "x-mach-use-reliable-get-clock": "clock_is_reliable",
    "x-smi-broadcast": "smi_feat",
}
#: What a property's name may say besides the name of its subsection.
_SWITCHING = frozenset(
    {"addr", "allow", "cap", "enable", "enabled", "has", "migration", "restore", "saved"}
)
#: Of objects that a dump does not describe, but whose memory or section migrates.
_UNDESCRIBED = frozenset({"legacy-instance-id", "x-use-canonical-path-for-ramblock-id"})
#: ``migration`` is no device, but takes compat properties; these change the framing.
_FRAMING = frozenset({"send-configuration", "send-section-footer"})


def influences(catalogue: Catalogue, driver: str, name: str) -> tuple[Influence, ...]:
    """What property ``name``, set on ``driver``, decides of a migration in this release.

    Empty where nothing is known to depend on it, or no device type that migrates inherits it.
    """
    if driver == "migration":
        return (Influence("stream", "the framing", ("migration",)),) if name in _FRAMING else ()
    index = _index(catalogue)
    key = driver, name
    if key not in index.influences:
        index.influences[key] = tuple(_influences(index, driver, name))
    return index.influences[key]


def migrating(catalogue: Catalogue, driver: str) -> tuple[str, ...]:
    """The device types that migrate among a type and its descendants, sorted.

    A virtio proxy has no description: its state is in the section of the device behind it.
    """
    return _index(catalogue).migrating(driver)


@dataclass(slots=True)
class _Index:
    """What is asked again and again of one catalogue."""

    catalogue: Catalogue
    children: dict[str, list[str]]
    influences: dict[tuple[str, str], tuple[Influence, ...]] = field(default_factory=dict)
    _migrating: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _lineages: dict[str, frozenset[str]] = field(default_factory=dict)

    def lineage(self, driver: str) -> frozenset[str]:
        if driver not in self._lineages:
            self._lineages[driver] = frozenset(ancestors(self.catalogue, driver))
        return self._lineages[driver]

    def migrating(self, driver: str) -> tuple[str, ...]:
        if driver not in self._migrating:
            found, waiting = set(), [driver]
            while waiting:
                one = waiting.pop()
                waiting += self.children.get(one, ())
                if self._migrates(one):
                    found.add(one)
            self._migrating[driver] = tuple(sorted(found))
        return self._migrating[driver]

    def _migrates(self, driver: str) -> bool:
        description = self.catalogue.descriptions.get(driver)
        if description is not None:
            return not description.unmigratable
        return driver not in self.children and "virtio-pci" in self.lineage(driver)

    def is_switch(self, driver: str, name: str) -> bool:
        info = property_of(self.catalogue, driver, name)
        return info is not None and info.type == "bool"


def _index(catalogue: Catalogue) -> _Index:
    # By its parts: a policy's catalogue is put together anew, of the same parts, for each request.
    parts = catalogue.types, catalogue.descriptions, catalogue.properties

    def build() -> _Index:
        children: dict[str, list[str]] = {}
        for name, parent in catalogue.types.items():
            if parent is not None:
                children.setdefault(parent, []).append(name)
        return _Index(catalogue, children)

    return remembered(("relevance", *map(id, parts)), parts, build)


def _influences(index: _Index, driver: str, name: str) -> Iterator[Influence]:
    devices = (driver,) if name in _UNDESCRIBED else index.migrating(driver)
    for decided in _DECIDED.get(name, ()):
        concerned = tuple(
            device
            for device in devices
            if not decided.families or index.lineage(device) & set(decided.families)
        )
        if concerned:
            yield Influence(decided.mechanism, decided.place, concerned)
    yield from _described(index, driver, name, devices)


def _described(
    index: _Index, driver: str, name: str, devices: tuple[str, ...]
) -> Iterator[Influence]:
    """What the descriptions themselves show: fields and subsections named like the property."""
    fields: dict[str, list[str]] = {}
    subsections: dict[str, list[str]] = {}
    for device in devices:
        description = index.catalogue.descriptions.get(device)
        if description is None:
            continue
        for place in _clued_fields(description, name):
            fields.setdefault(place, []).append(device)
        if not index.is_switch(device, name):
            continue
        for place in _named_fields(description, name, device):
            fields.setdefault(place, []).append(device)
        for place in _subsections(description):
            if _sends(name, place, device):
                subsections.setdefault(place, []).append(device)
    for place, concerned in fields.items():
        yield Influence("fields", place, tuple(concerned))
    for place, concerned in subsections.items():
        yield Influence("subsection", place, tuple(concerned))


def _named_fields(description: Description, name: str, device: str) -> Iterator[str]:
    """Conditional fields that are named after the property."""
    wanted = words(name)
    for inner in description.walk():
        for item in inner.fields:
            own = words(item.name.rpartition(".")[2]) - words(device)
            if item.conditional and own and own <= wanted <= own | words(item.name):
                yield item.name


def _clued_fields(description: Description, name: str) -> Iterator[str]:
    """Fields that the tables name the property for."""
    parts = [part for part, names in FIELD_CLUES if name in names and name not in _DECIDED]
    for inner in description.walk():
        for item in inner.fields:
            clued = any(part in item.name for part in parts)
            if clued or name in TYPE_CLUES.get(item.name, ()):
                yield item.name


def _sends(name: str, subsection: str, device: str) -> bool:
    """Is the property the one that switches the subsection, by what both are called?"""
    section, _, last = subsection.rpartition("/")
    if name in _SUBSECTIONS:
        return last == _SUBSECTIONS[name]
    own = words(last) - words(device)
    return bool(own) and own <= words(name) <= own | words(section) | words(device) | _SWITCHING


def _subsections(description: Description) -> frozenset[str]:
    def build() -> frozenset[str]:
        return frozenset(item.name for inner in description.walk() for item in inner.subsections)

    return remembered(("subsections", id(description)), (description,), build)
