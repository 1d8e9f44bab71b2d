"""Would a release load a stream? Each mechanism by itself, on real streams changed by hand."""

import struct
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_streams import CATALOGUES, SELECTION

from machines.emulator import pci, virtio
from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)
from machines.emulator.events import RamBlock
from machines.emulator.release import Release
from machines.emulator.replay import trial
from machines.emulator.snapshot import SentSection, Snapshot, read_snapshot


@cache
def release(name: str) -> Release:
    return Release(CATALOGUES / name)


@cache
def snapshot(config: str, of: str = "10.0") -> Snapshot:
    return read_snapshot(SELECTION / "streams" / of / "pc-q35-7.2" / f"{config}.mig.xz")


def with_section(stream: Snapshot, idstr: str, **changes) -> Snapshot:
    sections = tuple(
        replace(section, **changes) if section.idstr == idstr else section
        for section in stream.sections
    )
    return snapshot_of(sections, stream)


def snapshot_of(sections, stream: Snapshot) -> Snapshot:
    by_key = {(section.idstr, section.instance_id): section for section in sections}
    return Snapshot(stream.machine, stream.blocks, tuple(sections), by_key)


def patched(stream: Snapshot, idstr: str, at: int, value: bytes) -> Snapshot:
    payload = bytearray(stream.by_key[idstr, 0].payload)
    payload[at : at + len(value)] = value
    return with_section(stream, idstr, payload=bytes(payload))


def test_a_release_loads_what_it_saved_itself():
    assert trial(snapshot("wide"), release("10.0"), snapshot("wide")).outcome == "accepted"


def test_another_machine_type_is_refused():
    stream = replace(snapshot("bare"), machine="pc-q35-9.9")
    verdict = trial(stream, release("10.0"), snapshot("bare"))
    assert verdict.kind == "machine-type"
    assert verdict.reason == "Machine type received is 'pc-q35-9.9' and local is 'pc-q35-7.2'"


@pytest.mark.parametrize(
    ("sent", "own", "reason"),
    [
        (None, "pc-1.0", "Configuration section missing"),
        ("pc-1.0", None, "Unknown savevm section type 7"),
        (None, None, None),
    ],
)
def test_old_machine_types_neither_send_nor_read_a_configuration_section(sent, own, reason):
    verdict = trial(Snapshot(sent, (), ()), FOO, Snapshot(own, (), ()))
    assert (verdict.kind, verdict.reason) == ("machine-type" if reason else None, reason)


def test_a_section_that_nothing_describes_is_not_judged_by_its_length():
    stream, own = (SentSection("cpu", 0, 12, bytes(size), None) for size in (3, 4))
    profile = Snapshot(None, (), (own,), {("cpu", 0): own})
    assert trial(Snapshot(None, (), (stream,)), FOO, profile).outcome == "accepted"


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        ((RamBlock("vga.vram", 4096),), 'Unknown ramblock "vga.vram"'),
        ((RamBlock("pc.ram", 8 * 2**20),), "Size mismatch: pc.ram: 0x800000 != 0x1000000"),
        ((RamBlock("/rom@etc/acpi/tables", 4096),), None),
    ],
)
def test_ram_blocks_must_be_there_in_their_size_unless_they_may_be_resized(blocks, reason):
    verdict = trial(replace(snapshot("bare"), blocks=blocks), release("10.0"), snapshot("bare"))
    assert verdict.kind == ("ramblock" if reason else None)
    assert not reason or verdict.reason.startswith(reason)


def test_a_section_that_the_destination_lacks_is_refused():
    verdict = trial(snapshot("serial"), release("10.0"), snapshot("bare"))
    assert (verdict.kind, verdict.section) == ("unknown-section", "serial")
    assert verdict.reason == "Unknown savevm section or instance 'serial' 0"


def test_a_section_that_the_source_lacks_is_no_matter():
    assert trial(snapshot("bare"), release("10.0"), snapshot("serial")).outcome == "accepted"


def test_a_section_in_which_nothing_is_left_may_be_one_that_is_read_and_not_sent():
    silent = SentSection("audio", 0, 1, b"", {"vmsd_name": "audio", "fields": []})
    stream = snapshot_of((*snapshot("bare").sections, silent), snapshot("bare"))
    assert trial(stream, release("10.0"), snapshot("bare")).outcome == "accepted"
    lacks_more = snapshot_of((silent, *snapshot("serial").sections), snapshot("serial"))
    assert trial(lacks_more, release("10.0"), snapshot("bare")).section == "audio"


@pytest.mark.parametrize(("value", "kind"), [("off", None), ("on", "unknown-section")])
def test_a_section_that_a_property_withholds_is_read_all_the_same(value, kind):
    entries = (CompatProperty("foo", "migrate", value),)
    into = Release.of(
        Catalogue(
            "1.0",
            types={"foo": None},
            descriptions={"foo": Description("foo", 2, 1, (Field("a", 4),))},
            properties={"foo": {"migrate": PropertyInfo("migrate", "bool", True)}},
            machine_types={"pc": MachineType("pc", compat=entries)},
        )
    )
    stream = replace(made(A, payload=bytes(4)), machine="pc")
    assert trial(stream, into, Snapshot("pc", (), ())).kind == kind


def test_a_command_that_came_later_is_unknown():
    stream = replace(snapshot("bare"), commands=frozenset({0x0B}))
    verdict = trial(stream, release("7.2"), snapshot("bare", "7.2"))
    assert verdict.reason == "MIG_CMD 0xb unknown (len 0x0)"
    assert trial(stream, release("10.0"), snapshot("bare")).outcome == "accepted"


@pytest.mark.parametrize(("version", "kind"), [(4, "version-too-new"), (1, "version-too-old")])
def test_a_version_outside_what_the_destination_reads_is_refused(version, kind):
    stream = with_section(snapshot("serial"), "serial", version_id=version)
    verdict = trial(stream, release("10.0"), snapshot("serial"))
    assert (verdict.kind, verdict.section) == (kind, "serial")


def test_a_device_that_cannot_be_migrated_is_named():
    verdict = trial(snapshot("nvme", "11.1"), release("10.0"))
    assert verdict.kind == "unmigratable"
    assert verdict.reason == "State blocked by non-migratable device '0000:00:01.0/nvme'"


def test_an_equal_field_must_be_equal():
    idstr = "0000:00:1f.2/ich9_ahci"
    payload = snapshot("bare").by_key[idstr, 0].payload
    ports = payload.rindex(struct.pack(">I", 6))
    verdict = trial(
        patched(snapshot("bare"), idstr, ports, struct.pack(">I", 5)),
        release("10.0"),
        snapshot("bare"),
    )
    assert (verdict.kind, verdict.section) == ("equal", idstr)
    assert verdict.reason.startswith("6 != 5; Failed to load ahci:ports")


def test_a_read_only_configuration_byte_must_be_equal_and_a_writable_one_need_not():
    idstr = "0000:00:1f.3/ich9_smb"
    writable = patched(snapshot("bare"), idstr, 4 + 0x3C, b"\x0b")
    assert trial(writable, release("10.0"), snapshot("bare")).outcome == "accepted"
    verdict = trial(
        patched(snapshot("bare"), idstr, 4 + 8, b"\x77"), release("10.0"), snapshot("bare")
    )
    assert verdict.kind == "pci-config"
    assert "Bad config data: i=0x8 read: 77 device: 2 cmask: ff wmask: 0" in verdict.reason


def test_a_queue_larger_than_allocated_is_refused_where_the_release_looks():
    stream = snapshot("virtio-net", "10.0")
    verdict = trial(stream, release("11.1"), snapshot("virtio-net", "11.1"))
    assert verdict.kind == "virtio"
    assert verdict.reason.startswith("VQ 0 vring.num 1024 exceeds allocated max 256")
    older = trial(stream, release("7.2"), snapshot("virtio-net", "7.2"))
    assert older.outcome == "accepted"


def test_a_feature_that_is_switched_off_is_not_accepted():
    idstr = "0000:00:01.0/virtio-net"
    stream = snapshot("virtio-net")
    at = stream.by_key[idstr, 0].payload.index(b"virtio/64bit_features") + 25
    stream = patched(stream, idstr, at, struct.pack(">Q", 1 << 34))  # packed: off by default
    verdict = trial(stream, release("10.0"), snapshot("virtio-net"))
    assert verdict.kind == "virtio"
    assert verdict.reason.startswith("Features 0x400000000 unsupported. Allowed features: 0x")


# --- Layouts --------------------------------------------------------------------------------------


def made(*fields: dict, subsections=(), payload: bytes = b"", version: int = 2) -> Snapshot:
    device = {"name": "foo", "instance_id": 0, "vmsd_name": "foo", "fields": list(fields)}
    if subsections:
        device["subsections"] = list(subsections)
    section = SentSection("foo", 0, version, payload, device)
    return Snapshot(None, (), (section,), {("foo", 0): section})


def plain(name: str, size: int = 4, **more) -> dict:
    return {"name": name, "type": f"uint{8 * size}", "size": size, **more}


def foo(*fields: Field, subsections=()) -> Release:
    description = Description("foo", 2, 1, fields, subsections)
    return Release.of(Catalogue("1.0", descriptions={"foo": description}))


A, B, C = plain("a"), plain("b"), plain("c")
FOO = foo(Field("a", 4), Field("b", 4), Field("c", 4, version_id=2))


@pytest.mark.parametrize(
    ("sent", "expected", "field"),
    [
        ([A, B], [A, B, C], "c"),
        ([A, B, C], [A, B], "c"),
        ([A, B], [A, C], None),  # the same bytes under another name
        ([plain("a", 2), plain("rest", 2), B], [A, B], None),
        ([plain("x", array_len=3)], [plain("x", array_len=4)], "x"),
    ],
)
def test_fields_must_take_the_bytes_that_the_destination_reads(sent, expected, field):
    payload = bytes(16)
    verdict = trial(made(*sent, payload=payload), FOO, made(*expected, payload=payload))
    assert verdict.field == field
    assert verdict.kind == ("layout" if field else None)


def test_an_array_may_be_as_long_as_a_field_before_it_says():
    stream = made(plain("n"), plain("x", array_len=3), payload=struct.pack(">4I", 3, 0, 0, 0))
    profile = made(plain("n"), plain("x", array_len=1), payload=struct.pack(">2I", 1, 0))
    assert trial(stream, FOO, profile).outcome == "accepted"


def test_a_field_above_the_sent_version_is_not_read():
    stream = made(A, B, payload=bytes(8), version=1)
    assert trial(stream, FOO, made(A, B, C, payload=bytes(12))).outcome == "accepted"


def test_a_field_may_be_described_with_or_without_the_numbers_of_its_elements():
    one, other = plain("ports", index=0), plain("ports", index=1)
    stream = made(one, other, payload=bytes(8))
    assert trial(stream, FOO, made(plain("ports"), plain("ports"), payload=bytes(8))).kind is None


@pytest.mark.parametrize(
    ("sent", "version", "refused"),
    [
        ([A, plain("old")], 1, False),  # read under the name that it now has
        ([A], 1, False),
        ([A, plain("renamed")], 1, False),  # the bytes that a conditional field takes
        ([A, plain("old"), plain("more", 2)], 1, True),
        ([A], 2, True),  # the same version: the same predicates
    ],
)
def test_a_predicate_may_ask_for_the_version_that_was_sent(sent, version, refused):
    fields = (
        Field("a", 4),
        Field("mig_old", 4, conditional=True),
        Field("new", 4, conditional=True),
    )
    stream = made(*sent, payload=bytes(16), version=version)
    profile = made(A, plain("new"), payload=bytes(8))
    assert trial(stream, foo(*fields), profile).kind == ("layout" if refused else None)


def test_a_structure_may_bring_the_version_that_its_predicates_ask_for():
    fields = (Field("version_id", 4), Field("new", 4, conditional=True))
    profile = made(plain("version_id"), plain("new"), payload=struct.pack(">2I", 7, 0))
    older = made(plain("version_id"), payload=struct.pack(">I", 6))
    same = made(plain("version_id"), payload=struct.pack(">I", 7))
    assert trial(older, foo(*fields), profile).kind is None
    assert trial(same, foo(*fields), profile).kind == "layout"


@pytest.mark.parametrize(("told", "kind"), [(1, None), (0, "layout")])
def test_a_predicate_may_ask_for_a_number_before_it(told, kind):
    fields = (Field("identify_set", 4), Field("identify_data", 4, conditional=True))
    stream = made(
        plain("identify_set"), plain("identify_data"), payload=struct.pack(">2I", told, 0)
    )
    profile = made(plain("identify_set"), payload=bytes(4))
    assert trial(replace(stream), foo(*fields), profile).kind == kind


def test_a_field_that_shows_a_property_must_be_equal():
    device = {"name": "e1000e", "instance_id": 0, "vmsd_name": "e1000e"}
    device["fields"] = [plain("subsys", 2), plain("other", 2)]
    stream = Snapshot(None, (), (SentSection("e1000e", 0, 1, b"\0\1\0\0", device),))
    own = SentSection("e1000e", 0, 1, b"\0\2\0\7", device)
    profile = Snapshot(None, (), (own,), {("e1000e", 0): own})
    verdict = trial(stream, FOO, profile)
    assert (verdict.kind, verdict.field) == ("equal", "subsys")


def test_a_subsection_may_be_absent_but_must_be_known():
    extra = {"vmsd_name": "foo/extra", "version": 1, "fields": [A]}
    with_extra = made(
        B, subsections=[extra], payload=bytes(4) + b"\5\x09foo/extra\0\0\0\1" + bytes(4)
    )
    without = made(B, payload=bytes(4))
    known = foo(Field("b", 4), subsections=(Description("foo/extra", 1, 1),))
    assert trial(without, FOO, with_extra).outcome == "accepted"
    assert trial(with_extra, known, without).outcome == "accepted"
    verdict = trial(with_extra, FOO, without)
    assert (verdict.kind, verdict.field) == ("unknown-section", "foo/extra")


@pytest.mark.parametrize(("known", "kind"), [("foo/extra", None), ("foo/x", "unknown-section")])
def test_a_subsection_of_a_queue_s_elements_must_be_known(known, kind):
    extra = {"vmsd_name": "foo/extra", "version": 1, "fields": []}
    queue = {"name": "q", "type": "qtailq", "size": 9}
    stream = made({**queue, "subsections": [extra]}, payload=bytes(9))
    element = Description("element", 1, 1, (), (Description(known, 1, 1),))
    into = foo(Field("q", 8, struct=element))
    assert trial(stream, into, made({**queue, "size": 1}, payload=bytes(1))).kind == kind


# --- Configuration space --------------------------------------------------------------------------


@given(st.binary(min_size=256, max_size=256), st.integers(0, 255), st.integers(1, 255))
def test_masks_of_any_configuration_space_are_made_without_failing(config, at, change):
    other = bytearray(config)
    other[at] ^= change
    found = pci.first_difference(config, bytes(other))
    assert found is None or found.index == at
    assert pci.first_difference(config, config) is None


def test_a_looping_capability_list_ends():
    config = bytearray(256)
    config[6], config[0x34], config[0x40], config[0x41] = 0x10, 0x40, 0x09, 0x40
    assert len(list(pci.capabilities(bytes(config)))) == 1


def test_the_state_of_a_link_is_not_compared_whatever_the_capability_s_version():
    config = bytearray(4096)
    config[6], config[0x34], config[0x40], config[0x42] = 0x10, 0x40, 0x10, 1
    other = bytearray(config)
    other[0x52] ^= 1
    assert pci.first_difference(bytes(config), bytes(other)) is None


def test_an_old_machine_type_s_virtio_device_sends_no_subsections():
    payload = snapshot("virtio-net").by_key["0000:00:01.0/virtio-net", 0].payload
    without = payload[: payload.index(b"virtio/") - 2]
    assert virtio.parse(without).subsections == {}


def memory_device(block_size: int) -> bytes:
    """What a virtio-mem device sends: no capabilities, no queues, then its own part."""
    config = bytearray(256)
    config[0:4] = struct.pack("<HH", 0x1AF4, 0x1058)
    own = struct.pack(">QQQI", 0, 2**26, block_size, 0) + bytes(32)
    head = bytes((0, 0, 0, 2)) + bytes(config) + bytes(virtio.IRQ_STATE_SIZE)
    return head + struct.pack(">BBHIII", 0, 0, 0, 0, 0, 0) + own


@pytest.mark.parametrize(("size", "refused"), [(2**20, False), (2**21, True)])
def test_a_memory_device_s_block_size_is_compared_inside_its_opaque_state(size, refused):
    failure = virtio.load(
        virtio.parse(memory_device(2**20)),
        memory_device(size),
        check_queue_sizes=lambda: False,
        offered=lambda bit: True,
    )
    assert (failure is not None) == refused
    assert (
        not refused or failure.reason == "Property 'block-size' changed from 0x200000 to 0x100000"
    )


# --- Suggestions ----------------------------------------------------------------------------------


def flip(name: str) -> Snapshot:
    return read_snapshot(SELECTION / "flips" / "10.0" / "pc-q35-5.2" / f"{name}.mig.xz")


@pytest.mark.parametrize(
    "prop",
    [
        "e1000e.migrate-timadj",
        "pci-device.x-pcie-err-unc-mask",
        "pci-device.x-pcie-ext-tag",
        "virtio-gpu-device.x-scanout-vmstate-version",
        "virtio-net-pci-base.vectors",
        "virtio-rng-pci.vectors",
    ],
)
def test_the_property_that_was_changed_is_suggested_and_mends_the_destination(prop):
    verdict = trial(flip(prop), release("10.0"), flip("base"))
    assert (verdict.outcome, verdict.suggestion) == ("refused", prop)
    mended = (*prop.split("."), "77")
    assert trial(flip(prop), release("10.0"), flip("base"), [mended]).outcome == "accepted"


def test_a_queue_s_size_is_explained_by_the_property_that_decides_it():
    verdict = trial(snapshot("virtio-net", "10.0"), release("11.1"), snapshot("virtio-net", "11.1"))
    assert verdict.suggestion == "virtio-net-pci.rx_queue_size"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (("e1000e", "migrate-timadj", "on"), "layout"),
        (("e1000e", "migrate-timadj", "off"), None),
        (("virtio-balloon-pci", "vectors", "2"), "pci-config"),
        (("virtio-balloon-pci", "vectors", "0"), None),
        (("usb-tablet", "serial", "x"), None),
    ],
)
def test_a_property_that_unmakes_a_destination_is_noticed(given, kind):
    verdict = trial(flip("base"), release("10.0"), flip("base"), [given])
    assert verdict.kind == kind
    assert kind is None or verdict.suggestion == ".".join(given[:2])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (("isa-serial", "vmstate-blacklist", "0x8"), None),
        (("isa-serial", "vmstate-blacklist-recv_fifo", "0x1"), "serial/recv_fifo"),
        (("isa-serial", "vmstate-blacklist", "0x4"), "accepted"),
        (("e1000", "vmstate-blacklist", "0x8"), "accepted"),
    ],
)
def test_a_blacklisted_version_is_not_loaded(given, field):
    verdict = trial(snapshot("serial"), release("10.0"), snapshot("serial"), [given])
    if field == "accepted":
        assert verdict.outcome == "accepted"
    else:
        assert (verdict.kind, verdict.section, verdict.field) == ("blacklisted", "serial", field)
