"""Reading, storing and restoring a catalogue; malformed input is a CatalogueError and no more."""

import json
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.emulator import qdev
from machines.emulator.catalogue import (
    Catalogue,
    CatalogueError,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)
from machines.emulator.catalogue.answers import parse, read_directory
from machines.emulator.catalogue.files import has_key, load_json, member
from machines.emulator.catalogue.overlay import overlay
from machines.emulator.catalogue.stored import dump, load

SAMPLE = Path(__file__).parents[3] / "machines" / "sample"

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
names = names.map(lambda text: text[:20])
values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
versions = st.integers(0, 10_000)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
defaults = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | values


def descriptions(depth: int = 2) -> st.SearchStrategy[Description]:
    struct = st.none() | descriptions(depth - 1) if depth else st.none()
    fields = st.builds(
        Field,
        name=names,
        size=st.integers(0, 2**32),
        version_id=versions,
        count=st.none() | st.integers(0, 99),
        conditional=st.booleans(),
        struct=struct,
    )
    subsections = st.lists(descriptions(depth - 1), max_size=2) if depth else st.just([])
    return st.builds(
        Description,
        name=names,
        version_id=versions,
        minimum_version_id=versions,
        fields=st.lists(fields, max_size=3).map(tuple),
        subsections=subsections.map(tuple),
    )


@st.composite
def forests(draw: st.DrawFn) -> dict[str, str | None]:
    types: dict[str, str | None] = {}
    for name in draw(st.lists(names, max_size=6, unique=True)):
        types[name] = draw(st.sampled_from([None, *types]))
    return types


infos = st.builds(PropertyInfo, name=names, type=names, default=defaults, description=values)
property_lists = st.lists(infos, max_size=3).map(
    lambda listed: {info.name: info for info in listed}
)
entries = st.builds(CompatProperty, driver=names, property=names, value=values, array=values)
entry_lists = st.lists(entries, max_size=3).map(tuple)
machine_types = st.builds(
    MachineType,
    name=names,
    alias=values,
    deprecated=st.booleans(),
    is_default=st.booleans(),
    default_cpu_type=values,
    compat=entry_lists,
    compat_source=values,
)
catalogues = st.builds(
    Catalogue,
    version=values,
    package=values,
    types=forests(),
    descriptions=st.dictionaries(names, descriptions(), max_size=2),
    properties=st.dictionaries(names, property_lists, max_size=2),
    unreadable=st.dictionaries(names, values, max_size=2),
    machine_types=st.lists(machine_types, max_size=2).map(
        lambda listed: {machine_type.name: machine_type for machine_type in listed}
    ),
    arrays=st.dictionaries(names, entry_lists, max_size=2),
)


@given(catalogues)
def test_a_stored_catalogue_is_restored_without_loss(catalogue: Catalogue) -> None:
    assert load(json.loads(json.dumps(dump(catalogue)))) == catalogue


@pytest.mark.parametrize("release", ["qemu/5.2", "qemu/11.1", "rhel/9.2"])
def test_a_real_catalogue_is_restored_without_loss(release: str) -> None:
    catalogue = read_directory(SAMPLE / release)
    assert load(json.loads(json.dumps(dump(catalogue)))) == catalogue


def places(document: object) -> list[tuple[object, object]]:
    """(container, key) of every value in a JSON document."""
    keyed = document.items() if isinstance(document, dict) else enumerate(document)
    found = []
    for key, value in keyed:
        found.append((document, key))
        if isinstance(value, dict | list):
            found += places(value)
    return found


@given(catalogues, st.data())
def test_a_damaged_document_is_read_or_refused(catalogue: Catalogue, data: st.DataObject) -> None:
    document = json.loads(json.dumps(dump(catalogue)))
    container, key = data.draw(st.sampled_from(places(document)))
    container[key] = data.draw(json_values)
    refused_or(Catalogue, lambda: load(document))


REAL = {
    "version": {"qemu": {"major": 1, "minor": 2, "micro": 3}, "package": "p"},
    "types": [{"name": "foo", "parent": "device"}, {"name": "device", "abstract": True}],
    "properties": {
        "foo": [{"name": "x", "type": "bool", "default-value": True}],
        "device": {"error": "e"},
    },
    "vmstate": {
        "vmschkmachine": {"Name": "pc"},
        "foo": {
            "Name": "foo",
            "Description": {
                "name": "foo",
                "version_id": 2,
                "minimum_version_id": 1,
                "Fields": [{"field": "a", "size": 4, "num": 2, "field_exists": False}],
                "Subsections": [{"name": "foo/b", "version_id": 1, "minimum_version_id": 1}],
            },
        },
    },
    "machines": [
        {
            "name": "pc-q35-1.0",
            "alias": "q35",
            "compat-props": [{"qom-type": "foo", "property": "x", "value": "on"}],
        }
    ],
    "compat": {"hw_compat_1_0": [["TYPE_FOO", "x", "off"]]},
}


@given(st.data())
def test_damaged_answers_of_qemu_are_read_or_refused(data: st.DataObject) -> None:
    documents = json.loads(json.dumps(REAL))
    for _ in range(2):
        container, key = data.draw(st.sampled_from(places(documents)))
        container[key] = data.draw(json_values)
    refused_or(Catalogue, lambda: parse(documents))


@given(st.binary(max_size=200), st.sampled_from(["a.json", "a.json.xz"]))
def test_any_bytes_are_read_or_refused(content: bytes, place: str) -> None:
    refused_or(object, lambda: load_json(place, content))


def refused_or(kind: type, read: object) -> None:
    try:
        assert isinstance(read(), kind)
    except CatalogueError as error:
        assert error.place


@pytest.mark.parametrize(
    ("place", "content", "problem"),
    [
        ("a.json", b"[" * 200_000, "nests too deeply"),
        ("a.json", b"1" * 5000, "too many digits"),
        ("a.json", b'"\xff"', "not UTF-8"),
        ("a.json", b"[1,", "a.json:1:4: is not JSON"),
        ("a.json.xz", lzma.compress(b"[1, 2]")[:-8], "cut short"),
        ("a.json.xz", lzma.compress(bytes(65 * 2**20), preset=0), "larger than 64 MiB"),
        ("a.json.xz", lzma.compress(b"[1, 2]") + b"x", "something after the end"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(place: str, content: bytes, problem: str) -> None:
    with pytest.raises(CatalogueError, match=problem):
        load_json(place, content)


json_objects = st.dictionaries(names, st.lists(st.dictionaries(values, values), max_size=3))


@given(json_objects, names, st.sampled_from([None, 0, 1]))
def test_one_member_is_read_as_if_all_were(
    document: dict[str, object], absent: str, indent: int | None
) -> None:
    text = json.dumps(document, indent=indent)
    inner = {key for listed in document.values() for entry in listed for key in entry}
    for key in {*document, absent} - inner:
        assert member("a.json", text, key) == document.get(key)
        assert has_key(text, key) == (key in document)


def test_a_member_is_no_text_that_looks_like_one() -> None:
    text = json.dumps({"a": [{"name": '"foo": [1]', "type": "foo"}], "foo": [{"name": "x"}]})
    assert member("a.json", text, "foo") == [{"name": "x"}]
    assert member("a.json", text, "type") is None
    with pytest.raises(CatalogueError, match=r"a\.json:1:10: is not JSON"):
        member("a.json", '{"foo": [', "foo")


@pytest.mark.parametrize(
    ("documents", "problem"),
    [
        ({"types": [{"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}]}, "own ancestor"),
        ({"types": [{"name": "a\0"}]}, "NUL"),
        ({"types": [{"name": "\ud800"}]}, "character that is none"),
        ({"properties": {"a": [{"name": "x", "type": "t", "default-value": 2**64}]}}, "64 bits"),
        ({"properties": {"a": [{"name": "x", "type": "t", "default-value": float("nan")}]}}, "nan"),
        ({"vmstate": {"a": {"Description": {"name": "a", "version_id": 2**31}}}}, "version_id"),
        ({"compat": {"a": [["x", "y"]]}}, r"compat.a\[0\]: should be \[driver, property, value\]"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(documents: dict, problem: str) -> None:
    with pytest.raises(CatalogueError, match=problem):
        parse(documents)


@given(forests(), st.data())
def test_hoisted_properties_give_each_driver_its_list_back(
    types: dict[str, str | None], data: st.DataObject
) -> None:
    few = st.dictionaries(st.sampled_from(["x", "y"]), st.booleans(), max_size=2)
    # A type lists what its parent lists, perhaps with another default; not each is asked.
    complete: dict[str | None, dict[str, bool]] = {None: {}}
    for name, parent in types.items():
        complete[name] = {**complete[parent], **data.draw(few)}
    asked = data.draw(st.sets(st.sampled_from([*types, ""])))
    listed = {name: complete[name] for name in types if name in asked}
    catalogue = parse(
        {
            "types": [{"name": name, "parent": parent} for name, parent in types.items()],
            "properties": {
                name: [
                    {"name": key, "type": "bool", "default-value": value}
                    for key, value in listing.items()
                ]
                for name, listing in listed.items()
            },
        }
    )
    for name, listing in listed.items():
        offered = {info.name: info.default for info in qdev.properties_of(catalogue, name).values()}
        assert offered == listing


def test_a_downstream_with_arrays_alone_stands_on_its_base() -> None:
    base = read_directory(SAMPLE / "qemu/7.2")
    own = parse({**REAL, "types": [], "vmstate": {}, "properties": {}})
    effective = overlay(base, own)
    assert effective.types == base.types
    assert effective.descriptions == base.descriptions
    assert effective.machine_types == own.machine_types
    assert effective.arrays["hw_compat_1_0"] == own.arrays["hw_compat_1_0"]


def test_a_downstream_without_machine_types_has_none_of_its_base() -> None:
    effective = overlay(read_directory(SAMPLE / "qemu/7.2"), read_directory(SAMPLE / "rhel/9.2"))
    assert not effective.machine_types


def test_machine_types_of_a_downstream_are_composed_from_its_arrays() -> None:
    documents = {
        "compat": load_json("compat.json.xz", (SAMPLE / "rhel/9.2/compat.json.xz").read_bytes()),
        "machines": [{"name": "pc-q35-rhel9.2.0"}, {"name": "pc-q35-rhel9.0.0"}],
    }
    machine_types = parse(documents).machine_types
    newest = machine_types["pc-q35-rhel9.2.0"]
    arrays = list(dict.fromkeys(entry.array for entry in machine_types["pc-q35-rhel9.0.0"].compat))
    assert newest.compat_source == "arrays"
    assert {entry.array for entry in newest.compat} == {"pc_rhel_compat"}
    assert arrays == [
        "pc_rhel_compat",
        "hw_compat_rhel_9_1",
        "hw_compat_rhel_9_0",
        "pc_rhel_9_0_compat",
    ]
