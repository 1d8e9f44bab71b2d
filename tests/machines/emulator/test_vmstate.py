"""The interpreter: what it writes it reads back, and what it cannot read it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.emulator.catalogue import Description, Field
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.layout import DescriptionError, Section, section_of
from machines.emulator.reconciling import Decision, decide, names_field, reconcile
from machines.emulator.vmdescription import described_size
from machines.emulator.vmstate import (
    ByteReader,
    EndOfStream,
    LoadError,
    check_version,
    describe,
    load,
    save,
)

SAMPLE = Path(__file__).resolve().parents[3] / "machines" / "sample" / "qemu"


def always(section: Section) -> int | None:
    return section.version_id


def never(section: Section) -> int | None:
    return None


def anything(section: Section, version: int) -> None:
    return None


def saved(section: Section, state: dict[str, bytes], version: int | None = None) -> bytes:
    out = bytearray()
    block = section.current() if version is None else section.at(version)
    save(block, state, always, out)
    return bytes(out)


# --- Round trips ----------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "cc", "state", "unused"])


def fields(children: st.SearchStrategy[Description] | None) -> st.SearchStrategy[Field]:
    return st.builds(
        Field,
        name=names,
        size=st.integers(0, 9),
        version_id=st.integers(0, 3),
        count=st.none() | st.integers(0, 3),
        conditional=st.booleans(),
        struct=st.none() if children is None else st.none() | children,
    )


def described(
    children: st.SearchStrategy[Description] | None, name: str
) -> st.SearchStrategy[Description]:
    listed = st.lists(fields(children), max_size=4).map(tuple)
    below = st.just(()) if children is None else st.lists(children, max_size=2).map(tuple)
    return st.builds(Description, st.just(name), st.integers(0, 3), st.just(0), listed, below)


leaf_level = described(None, "dev/x/y")
descriptions = described(described(leaf_level, "dev/x"), "dev")


def unique_subsections(description: Description) -> bool:
    """QEMU finds a subsection by name, so a description has each name once per place."""
    found = [item.name for item in description.subsections]
    for item in description.fields:
        if item.struct is not None and not unique_subsections(item.struct):
            return False
    return len(set(found)) == len(found) and all(map(unique_subsections, description.subsections))


def told_apart(description: Description, name: str = "dev") -> Description:
    """The description with a name of its own for each part, and no structure of no bytes.

    QEMU knows whose a subsection is by its name and by what was read before: of two structures
    of one name with nothing between them, the first takes the second's subsections.
    """
    inner = [
        item
        if item.struct is None
        else replace(item, struct=told_apart(item.struct, f"{name}/{number}"))
        for number, item in enumerate(description.fields)
    ]
    parts = [
        told_apart(part, f"{name}/s{number}") for number, part in enumerate(description.subsections)
    ]
    return replace(
        description,
        name=name,
        fields=(Field("head", 1), *inner),
        subsections=tuple(parts),
    )


@given(descriptions.map(told_apart), st.randoms(use_true_random=False))
def test_what_was_saved_is_loaded(description: Description, random: object) -> None:
    section = Section(description)
    # From 6 on: QEMU itself takes a field's byte 5 before a fitting name for a subsection.
    state = {
        leaf.path: bytes(random.randrange(6, 256) for _ in range(leaf.size))  # type: ignore[attr-defined]
        for part in section.walk()
        for leaf in part.current().leaves
        if not leaf.unused
    }
    reader = ByteReader(saved(section, state))
    loaded: dict[str, bytes] = {}
    load(section.current(), reader, loaded, anything)
    assert reader.left() == 0
    assert loaded == state


@given(descriptions.filter(unique_subsections))
def test_the_vmdescription_tells_the_size_of_what_was_sent(description: Description) -> None:
    section = Section(description)
    document = json.loads(json.dumps(describe(section.current(), always)))
    assert described_size(document, "dev") == len(saved(section, {}))


@given(descriptions, st.binary(max_size=60))
def test_any_bytes_are_loaded_or_refused(description: Description, data: bytes) -> None:
    section = Section(description)
    try:
        load(section.current(), ByteReader(data), {}, anything)
    except (LoadError, EndOfStream) as error:
        assert str(error)


@given(descriptions, descriptions)
def test_reconciling_decides_alike_for_both_sides(a: Description, b: Description) -> None:
    first, second = reconcile(a, b)
    again = reconcile(first, second)
    assert again == (first, second)
    assert [item.name for item in first.fields] == [item.name for item in a.fields]


# --- Versions and fields --------------------------------------------------------------------------

FOO = Description(
    "foo",
    3,
    2,
    (Field("a", 4), Field("b", 2, version_id=3), Field("unused", 3)),
    (Description("foo/sub", 2, 1, (Field("c", 1), Field("d", 1, version_id=2))),),
)


def test_a_field_is_only_in_streams_of_its_version_or_newer() -> None:
    section = Section(FOO)
    state = {"foo:a": b"AAAA", "foo:b": b"BB"}
    out = bytearray()
    save(section.at(2), state, never, out)
    assert bytes(out) == b"AAAA\0\0\0"
    out.clear()
    save(section.at(3), state, never, out)
    assert bytes(out) == b"AAAABB\0\0\0"


def test_a_subsection_is_announced_by_name_and_version() -> None:
    payload = saved(Section(FOO), {"foo/foo/sub:c": b"C"})
    assert payload.endswith(b"\x05\x07foo/sub\x00\x00\x00\x02C\0")


def test_a_nested_structure_travels_at_its_own_version() -> None:
    inner = Description("inner", 5, 1, (Field("x", 1, version_id=5), Field("y", 1, version_id=6)))
    section = Section(Description("outer", 1, 1, (Field("in", 64, struct=inner),)))
    assert [leaf.field for leaf in section.at(1).leaves] == ["in.x"]


def test_a_subsection_of_a_nested_structure_follows_the_structure() -> None:
    inner = Description(
        "in", 1, 1, (Field("x", 1),), (Description("in/s", 1, 1, (Field("z", 1),)),)
    )
    section = Section(Description("out", 1, 1, (Field("in", 8, struct=inner), Field("last", 1))))
    payload = saved(section, {"out:in.x": b"1", "out/in/s:in.z": b"2", "out:last": b"3"})
    assert payload == b"1\x05\x04in/s\0\0\0\x012" + b"3"


def test_versions_are_refused_in_qemus_words() -> None:
    section = Section(FOO)
    with pytest.raises(LoadError, match="incoming version_id 1 is too old for local minimum"):
        check_version(section, 1)
    with pytest.raises(LoadError, match="incoming version_id 4 is too new for local version_id 3"):
        check_version(section, 4)
    check_version(section, 2)


def test_an_unknown_subsection_is_refused_by_name() -> None:
    payload = bytes(9) + b"\x05\x07foo/new\0\0\0\x01"
    with pytest.raises(LoadError) as caught:
        load(Section(FOO).current(), ByteReader(payload), {}, anything)
    assert (caught.value.kind, caught.value.section) == ("unknown-section", "foo/new")


TWINS = Description(
    "foo",
    1,
    1,
    (Field("a", 1),),
    (
        Description("foo/sub", 1, 1, (Field("b", 2),)),
        Description("foo/sub", 1, 1, (Field("c", 2),)),
    ),
)


def test_both_subsections_of_one_name_are_sent_in_order() -> None:
    payload = saved(Section(TWINS), {"foo/foo/sub:b": b"BB", "foo/foo/sub#2:c": b"CC"})
    head = b"\x05\x07foo/sub\0\0\0\x01"
    assert payload == b"\0" + head + b"BB" + head + b"CC"


def test_of_two_subsections_of_one_name_the_first_is_loaded_each_time() -> None:
    section = Section(TWINS)
    payload = saved(section, {"foo/foo/sub:b": b"BB", "foo/foo/sub#2:c": b"CC"})
    state: dict[str, bytes] = {}
    asked: list[str] = []
    load(section.current(), ByteReader(payload), state, lambda part, _: asked.append(part.path))
    assert state == {"foo:a": b"\0", "foo/foo/sub:b": b"CC"}
    assert asked == ["foo/foo/sub", "foo/foo/sub"]


def test_a_subsection_of_another_version_is_refused() -> None:
    payload = bytes(9) + b"\x05\x07foo/sub\0\0\0\x09"
    with pytest.raises(LoadError, match="too new"):
        load(Section(FOO).current(), ByteReader(payload), {}, anything)


def test_a_short_payload_ends_with_its_offset() -> None:
    with pytest.raises(EndOfStream) as caught:
        load(Section(FOO).current(), ByteReader(b"AAAAB"), {}, anything)
    assert caught.value.offset == 4


def test_parts_of_one_array_under_the_same_name_keep_apart() -> None:
    section = Section(Description("foo", 1, 1, (Field("mac", 4, count=2), Field("mac", 4))))
    sizes = {leaf.path: leaf.size for leaf in section.current().leaves}
    assert sizes == {"foo:mac": 8, "foo:mac#2": 4}


def test_a_large_array_of_structures_is_one_leaf() -> None:
    slot = Description("slot", 1, 1, (Field("x", 1), Field("y", 2)))
    section = Section(Description("foo", 1, 1, (Field("slots", 8, count=1000, struct=slot),)))
    (leaf,) = section.current().leaves
    assert (leaf.size, leaf.members) == (3000, ("x", "y"))


@pytest.mark.parametrize(
    "description",
    [
        Description("foo", 1, 1, (Field("huge", 2**31, count=2**31),)),
        Description("foo", 1, 1, tuple(Field(f"f{i}", 2**22) for i in range(3))),
        Description("f\u00f8\u00f8", 1, 1),
        Description("x" * 300, 1, 1),
    ],
)
def test_descriptions_beyond_the_limits_are_refused(description: Description) -> None:
    with pytest.raises(DescriptionError):
        Section(description).current()


# --- Gaps of a dump -------------------------------------------------------------------------------


def test_a_partner_tells_the_element_count_and_the_predicate() -> None:
    old = Description("foo", 1, 1, (Field("regs", 4), Field("smb", 2, conditional=True)))
    new = Description("foo", 1, 1, (Field("regs", 4, count=8), Field("smb", 2)))
    first, second = reconcile(old, new)
    assert Section(first).current().size == Section(second).current().size == 34


def test_a_gap_tells_how_long_the_field_was() -> None:
    old = Description("foo", 1, 1, (Field("a", 1), Field("eitr", 1), Field("z", 1)))
    new = Description("foo", 1, 1, (Field("a", 1), Field("unused", 5), Field("z", 1)))
    first, _ = reconcile(old, new)
    assert first.fields[1].count == 5


def test_a_predicate_nobody_knows_leaves_the_field_out_and_says_so() -> None:
    lonely = Description("foo", 1, 1, (Field("a", 1), Field("maybe", 4, conditional=True)))
    section = Section(lonely)
    assert section.current().size == 1
    assert section.left_out() == ("maybe",)


def test_a_gate_decides_about_a_conditional_field() -> None:
    description = Description("foo", 1, 1, (Field("t", 4, conditional=True),))
    on = decide(description, frozenset({Decision("foo", "t", present=True)}))
    off = decide(description, frozenset({Decision("foo", "t", present=False)}))
    assert Section(on).current().size == 4
    assert off.fields == ()


@pytest.mark.parametrize(
    ("reference", "label", "named"),
    [
        ("divider", "state.divider", True),
        ("state", "state.divider", True),
        ("timers.period", "timers[2].period", True),
        ("mac", "mac#2", True),
        ("div", "state.divider", False),
        ("period.timers", "timers.period", False),
    ],
)
def test_how_a_field_is_named(reference: str, label: str, named: bool) -> None:
    assert names_field(reference, label) is named


def test_every_description_of_a_real_release_round_trips() -> None:
    catalogue = read_directory(SAMPLE / "11.1")
    for description in catalogue.descriptions.values():
        section = section_of(description)
        assert section is section_of(description)
        payload = saved(section, {})
        document = {"fields": [], **describe(section.current(), always)}
        assert described_size(document, section.name) == len(payload)
