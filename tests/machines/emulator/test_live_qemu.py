"""Streams that real QEMU saves now: they round-trip, and it judges them as the emulator does."""

import io

import pytest
from live_qemu import refusal, save
from real_streams import CATALOGUES

from machines.emulator.decode import decode_file
from machines.emulator.events import write_events
from machines.emulator.release import Release
from machines.emulator.replay import trial
from machines.emulator.snapshot import read_snapshot
from machines.emulator.stream import read_events


def devices(*wanted: str) -> list[str]:
    return [part for device in wanted for part in ("-device", device)]


DISK = ["-blockdev", "driver=null-co,node-name=disk,size=1048576"]
PLAIN = devices("virtio-rng-pci", "isa-serial,chardev=c", "VGA", "i6300esb", "pvpanic")
PLAIN += ["-chardev", "null,id=c"]
BUSES = devices(
    "pcie-root-port,id=root,chassis=1,slot=1",
    "virtio-scsi-pci,id=scsi,bus=root",
    "scsi-hd,bus=scsi.0,drive=disk",
    "qemu-xhci",
    "usb-tablet",
    "pci-bridge,id=bridge,chassis_nr=2",
    "e1000,bus=bridge,addr=1,romfile=",
)


@pytest.mark.parametrize(
    ("machine", "arguments", "seconds"),
    [
        ("pc-q35-7.2", PLAIN, 0),
        ("pc-q35-7.2", [*DISK, *BUSES], 0),
        ("pc-q35-7.2", [*DISK, *devices("virtio-blk-pci,drive=disk"), *PLAIN], 1),
        ("pc-i440fx-6.2", ["-smp", "2", *PLAIN], 0.5),
        ("pc-i440fx-2.3", ["-smp", "2", *PLAIN], 0),  # no footers, no configuration section
        ("pc-i440fx-2.1", PLAIN, 0.5),  # and no vmdescription
        ("pc-q35-2.4", [*DISK, *devices("ide-hd,drive=disk"), *PLAIN], 0.5),
        ("microvm", ["-cpu", "max"], 0),
        ("isapc", ["-cpu", "486", *devices("ne2k_isa", "isa-vga")], 0.5),
    ],
)
def test_what_real_qemu_saves_now_decodes_and_comes_out_byte_for_byte(
    machine, arguments, seconds, tmp_path
):
    path = save(tmp_path, machine, arguments, seconds)
    content, again = path.read_bytes(), io.BytesIO()
    write_events(read_events(io.BytesIO(content)), again)
    assert again.getvalue() == content
    decoded = decode_file(path)
    assert len(decoded["sections"]) > 10
    snapshot = read_snapshot(path)
    assert trial(snapshot, Release(CATALOGUES / "7.2"), snapshot).outcome == "accepted"


# --- Flipped compat properties --------------------------------------------------------------------

OLD = "pc-q35-2.4"
MANY = devices(
    "virtio-net-pci,romfile=",
    "virtio-keyboard-pci",
    "vmxnet3,romfile=",
    "VGA",
    "pcie-root-port,chassis=1,slot=1",
    "e1000,romfile=",
    "pci-bridge,chassis_nr=2",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save(tmp_path_factory.mktemp("base"), OLD, MANY)


@pytest.mark.parametrize(
    ("flip", "kind"),
    [
        ("virtio-net-pci-base.vectors=4", "pci-config"),  # how long the MSI-X table is
        ("virtio-pci.page-per-vq=off", "pci-config"),  # a structure of virtio
        ("vmxnet3.x-old-msi-offsets=off", "pci-config"),  # where a capability stands
        ("pcie-root-port-base.disable-acs=off", "pci-config"),  # an extended capability
        ("pcie-root-port.x-speed=16", "pci-config"),  # bits of a register
        ("pcie-root-port.x-migrate-msix=on", "layout"),  # a field behind a predicate
        ("VGA.global-vmstate=off", "ramblock"),  # a RAM block's name
        ("isa-pcspk.migrate=on", None),  # a section that is read, if not always sent
        ("pci-host-bridge.x-config-reg-migration-enabled=on", None),
        ("e1000.migrate_tso_props=on", None),  # a subsection
    ],
)
def test_real_qemu_answers_a_flipped_compat_property_as_the_emulator_does(
    flip, kind, base, tmp_path
):
    flipped = [*MANY, "-global", flip]
    other = save(tmp_path, OLD, flipped)
    release = Release(CATALOGUES / "7.2")
    for stream, profile, options in ((base, other, flipped), (other, base, MANY)):
        verdict = trial(read_snapshot(stream), release, read_snapshot(profile))
        printed = refusal(stream, OLD, options)
        assert (verdict.kind, bool(printed)) == (kind, kind is not None), printed
        if kind is not None:
            assert verdict.suggestion.split(".")[1] == flip.partition("=")[0].split(".")[1]
            assert verdict.section.rpartition("/")[2] in printed
