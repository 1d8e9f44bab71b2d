"""Exported property sets: exact, read back without loss, and taken by a real QEMU and compiler."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from policy_documents import policies

from machines.emulator.catalogue import Catalogue, CompatProperty
from machines.emulator.catalogue.answers import read_directory
from policy.document import SCHEMA as document_schema
from policy.document import (
    CatalogueRef,
    MachineType,
    Migration,
    Override,
    Policy,
    Waiver,
    files,
    from_json,
)
from policy.exporters import (
    ExportError,
    c_array,
    formats,
    globals,
    libvirt,
    query_machines,
    readconfig,
    schema,
    target,
    trials,
    yaml,
)
from policy.exporters import json as policy_json

SAMPLE = Path("machines/sample/qemu/7.2")
QEMU = shutil.which("qemu-system-x86_64")
STUB = """\
#include <stddef.h>
#define G_N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
typedef struct GlobalProperty { const char *driver, *property, *value; } GlobalProperty;
typedef struct GPtrArray { void *last; unsigned int len; } GPtrArray;
void g_ptr_array_add(GPtrArray *array, void *data);
"""
SCHEMA = Draft202012Validator(
    json.loads(schema.text()), format_checker=Draft202012Validator.FORMAT_CHECKER
)

names = st.text(st.sampled_from("abcZ09_-.+,/="), min_size=1, max_size=80).filter(
    lambda name: name[0] not in ".="
)
#: QEMU notes a global of a device that this machine has not, or whose module is not loaded yet.
NOTE = re.compile(r"warning: global \S+ not used$|warning: global \S+ has invalid class name$")

values = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60)
properties = st.lists(st.builds(CompatProperty, names, names, values), max_size=5).map(tuple)


@settings(deadline=None)
@given(properties)
def test_arguments_are_read_back(listed: tuple[CompatProperty, ...]) -> None:
    assert globals.read(globals.export("pc", listed)) == listed


@settings(deadline=None)
@given(properties)
def test_configuration_file_is_read_back_or_refused(listed: tuple[CompatProperty, ...]) -> None:
    if any('"' in item.value for item in listed):
        with pytest.raises(ExportError, match="cannot hold the character"):
            readconfig.export("pc", listed)
    else:
        assert readconfig.read(readconfig.export("pc", listed)) == listed


@settings(deadline=None)
@given(properties)
def test_domain_is_read_back_or_refused(listed: tuple[CompatProperty, ...]) -> None:
    if any(set(item.value) & {"\ufffe", "\uffff"} for item in listed):
        with pytest.raises(ExportError, match="a character that no XML can"):
            libvirt.export("pc", listed)
    else:
        assert libvirt.read(libvirt.export("pc", listed)) == listed


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["pc-q35-7.2", "pc_q35_7_2", "x/*"]), properties))
def test_formats_of_a_release_are_read_back(sets: dict[str, tuple[CompatProperty, ...]]) -> None:
    assert query_machines.read(query_machines.export(sets)) == sets
    runs = {
        name: [c_array.Run("hw_compat", listed[:2]), c_array.Run(name, listed[2:])]
        for name, listed in sets.items()
    }
    told = {name.replace("/*", "/ *"): listed for name, listed in sets.items()}
    assert c_array.read(c_array.export(runs)) == told


@settings(deadline=None)
@given(policies())
def test_yaml_and_json_are_read_back(policy: Policy) -> None:
    assert from_json(files.read(yaml.export(policy)).document) == policy
    assert policy_json.read(policy_json.export(policy)) == policy


def test_yaml_reads_well() -> None:
    text = "Because of:\n\n  - this\n"
    entry = CompatProperty("usb-kbd", "serial", "on", "hw_compat")
    machine = MachineType("pc-q35-7.2", entries=(entry,), note=text + "and that")
    written = yaml.export(Policy("rhel", "9.2", CatalogueRef("up", "0"), machine_types=(machine,)))
    assert '  - {driver: usb-kbd, property: serial, value: "on", array: hw_compat}\n' in written
    assert "  note: |-\n    Because of:\n\n      - this\n    and that\n" in written


@settings(deadline=None)
@given(policies())
def test_every_policy_is_of_the_schema(policy: Policy) -> None:
    SCHEMA.validate(policy.to_json())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", 2),
        ("more", 1),
        ("release.tree", "a b"),
        ("migrations.0.expected", "corrupt"),
        ("overrides.0.version", -1),
        ("overrides.0.action", "allow"),
        ("machine_types.0.entries.0.value", 1),
        ("waivers.0.expires", "soon"),
    ],
)
def test_schema_refuses_what_is_no_policy(path: str, value: object) -> None:
    policy = Policy(
        "rhel",
        "9.2",
        CatalogueRef("up", "0"),
        machine_types=(MachineType("pc", entries=(CompatProperty("a", "b", "c"),)),),
        migrations=(Migration("rhel 9.2", "rhel 9.3", "correct"),),
        overrides=(Override("foo", "foo", 1, "relax", "why"),),
        waivers=(Waiver("a", "b", "", "", "0", "why", "2027-01-31"),),
    )
    document = policy.to_json()
    assert SCHEMA.is_valid(document)
    *keys, last = (int(key) if key.isdigit() else key for key in path.split("."))
    node: Any = document
    for key in keys:
        node = node[key]
    node[last] = value
    assert not SCHEMA.is_valid(document)


def test_schema_is_of_the_document_s_version() -> None:
    assert json.loads(schema.text())["$id"] == f"urn:lockstep:policy:{document_schema}"


@pytest.mark.parametrize(
    ("machine_type", "entry", "element"),
    [
        ("pc-q35-7.2", ("ICH9-LPC", "disable_s3", "1"), '<suspend-to-mem enabled="no"/>'),
        ("pc-i440fx-7.2", ("PIIX4_PM", "disable_s4", "0"), '<suspend-to-disk enabled="yes"/>'),
        ("pc-q35-7.2", ("kvm-pit", "lost_tick_policy", "delay"), 'name="pit" tickpolicy="delay"'),
        ("pc-q35-7.2", ("q35-pcihost", "pci-hole64-size", "2G"), '"KiB">2097152</pcihole64>'),
    ],
)
def test_libvirt_s_own_elements(
    machine_type: str, entry: tuple[str, str, str], element: str
) -> None:
    listed = (CompatProperty("a", "b", "1"), CompatProperty(*entry), CompatProperty("c", "d", "2"))
    text = libvirt.export(machine_type, listed)
    assert element in text
    assert "<qemu:arg value=" + f'"{entry[0]}' not in text
    assert libvirt.read(text) == listed
    # Set twice, the order of the two would be lost; on another board it is another device.
    assert element not in libvirt.export(machine_type, (*listed, *listed))
    assert element not in libvirt.export("virt-7.2", listed)


def test_an_edited_domain_is_refused() -> None:
    text = libvirt.export("pc-q35-7.2", [CompatProperty("ICH9-LPC", "disable_s3", "1")])
    edited = (text.replace('"no"', '"yes"'), text.replace("512", "1024"))
    for changed in (*edited, "<a/>", "<!DOCTYPE"):
        with pytest.raises(ExportError):
            libvirt.read(changed)


def test_domains_are_of_libvirt_s_schema(tmp_path: Path) -> None:
    rules = Path("/usr/share/libvirt/schemas/domain.rng")
    assert rules.exists(), "needs Debian's package libvirt0"
    assert shutil.which("xmllint"), "needs Debian's package libxml2-utils"
    entries = [
        CompatProperty("ICH9-LPC", "disable_s3", "1"),
        CompatProperty("kvm-pit", "lost_tick_policy", "discard"),
        CompatProperty("q35-pcihost", "pci-hole64-size", "34359738368"),
        CompatProperty("usb-kbd", "serial", "a,b \"<&>' ü"),
    ]
    for name, listed in {"pc-q35-rhel9.2.0": entries, "pc-i440fx-7.2": entries, "pc": []}.items():
        (tmp_path / f"{name}.xml").write_text(libvirt.export(name, listed))
    command = ["xmllint", "--nonet", "--noout", "--relaxng", str(rules)]
    ran = subprocess.run(
        [*command, *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_driver_with_a_dot_needs_the_long_form() -> None:
    assert (
        globals.argument(CompatProperty("cfi.pflash01", "name", "a,b"))
        == "driver=cfi.pflash01,property=name,value=a,,b"
    )
    assert globals.argument(CompatProperty("SUNW,fdtwo", "x", "a,b")) == "SUNW,fdtwo.x=a,b"


def test_arguments_survive_xargs(tmp_path: Path) -> None:
    item = CompatProperty("usb-kbd", "serial", """a'b "c" $HOME \\ *""")
    path = tmp_path / "globals.args"
    path.write_text(globals.export("pc", [item]))
    printed = subprocess.run(
        ["xargs", "-x", "-a", str(path), "printf", "%s\\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.splitlines() == ["-global", globals.argument(item)]


@pytest.mark.parametrize("exporter", formats.FORMATS.values())
def test_control_characters_are_refused(exporter: formats.Exporter) -> None:
    with pytest.raises(ExportError, match=r"foo\.bar: holds the control character '\\n'"):
        exporter("pc", [CompatProperty("foo", "bar", "a\nb")])


def test_configuration_line_has_a_limit() -> None:
    readconfig.export("pc", [CompatProperty("foo", "bar", "x" * 1010)])
    with pytest.raises(ExportError, match="longer than a line"):
        readconfig.export("pc", [CompatProperty("foo", "bar", "x" * 1011)])


@pytest.mark.parametrize(
    ("reader", "text", "message"),
    [
        (globals.read, "-global", "again and again"),
        (globals.read, "-global foo", "driver.property=value"),
        (globals.read, "-global 'foo", "not quoted"),
        (readconfig.read, "[device]", "line 1"),
        (readconfig.read, '[global]\ndriver = "a"\n', "group 1: has no property"),
        (c_array.read, "GlobalProperty x[] = {\n  nonsense\n};", "line 2"),
        (c_array.read, "GlobalProperty x[] = {", "no end"),
        (c_array.read, "void f()\n{\n    add(compat_props, a, a_len);\n}", "defined above"),
        (c_array.read, "int x;", "no GlobalProperty arrays"),
        (libvirt.read, "<domain", "is no XML"),
        (query_machines.read, "[{}]", "no answer to query-machines"),
        (policy_json.read, "{", "line 1, column 2"),
        (policy_json.read, "[" * 100_000, "nests too deeply"),
    ],
)
def test_what_is_not_in_the_format_is_refused(reader, text: str, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        reader(text)


def test_names_of_arrays_never_collide() -> None:
    found = c_array.identifiers(["pc-1.0", "pc-1-0", "pc-q35-rhel9.2.0"])
    assert len(set(found.values())) == 3
    assert found["pc-q35-rhel9.2.0"] == "lockstep_pc_q35_rhel9_2_0"


def test_qemu_is_spared_what_it_does_not_have() -> None:
    catalogue = Catalogue(
        "7.2",
        types={"device": None, "foo": "device", "foo-pci": "foo"},
        properties={"foo-pci": {}, "foo": {"x": None}},  # type: ignore[dict-item]
    )
    listed = [
        CompatProperty("foo", "x", "1"),
        CompatProperty("foo", "y", "1"),
        CompatProperty("foo", "legacy-z", "1"),
        CompatProperty("foo", "vmstate-blacklist-d", "0x2"),
        CompatProperty("memory-backend-file", "z", "1"),
    ]
    left = target.left_out(catalogue, listed)
    assert [(item.property, item.scope) for item in left] == [
        ("y", "command-line"),
        ("vmstate-blacklist-d", "all"),
        ("z", "command-line"),
    ]
    remaining = target.without(listed, left, formats.COMMAND_LINE)
    assert [item.property for item in remaining] == ["x", "legacy-z"]
    remaining = target.without(listed, left, formats.BUILT_IN)
    assert [item.property for item in remaining] == ["x", "y", "legacy-z", "z"]
    assert "| foo.y | globals.args, compat.cfg, domain.xml | foo-pci has no" in target.report(
        {"pc": left}
    )


def test_c_arrays_compile(tmp_path: Path) -> None:
    entry = CompatProperty("usb-kbd", "serial", 'a"b\\c??/ü1 */')
    shared = c_array.Run("hw_compat_7_1", (entry, entry))
    runs = {
        "pc-q35-7.2": [shared, c_array.Run("pc-q35-7.2", (entry,))],
        "pc-i440fx-7.2": [shared, c_array.Run("hw_compat_7_1", (entry,))],
        "pc-empty/*": [],
    }
    for name in ("qemu/osdep.h", "hw/qdev-core.h"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(STUB if name.endswith("core.h") else "")
    main = f"""#include <stdio.h>
#include "{c_array.HEADER_NAME}"
void g_ptr_array_add(GPtrArray *array, void *data)
{{
    array->last = data;
    array->len++;
}}
int main(void)
{{
    GPtrArray q35 = {{ 0 }}, i440fx = {{ 0 }}, empty = {{ 0 }};
    lockstep_pc_q35_7_2_compat(&q35);
    lockstep_pc_i440fx_7_2_compat(&i440fx);
    lockstep_pc_empty___compat(&empty);
    printf("%u %u %u %s", q35.len, i440fx.len, empty.len, ((GlobalProperty *)q35.last)->value);
    return 0;
}}"""
    sources = {"main.c": main, c_array.SOURCE_NAME: c_array.export(runs)}
    for name, text in {**sources, c_array.HEADER_NAME: c_array.header(runs)}.items():
        (tmp_path / name).write_text(text)
    subprocess.run(
        ["gcc", "-Wall", "-Werror", "-I.", *sources, "-o", "try"],
        cwd=tmp_path,
        check=True,
    )
    ran = subprocess.run([str(tmp_path / "try")], capture_output=True, check=True)
    assert ran.stdout.decode() == '3 3 0 a"b\\c??/ü1 */'


# --- With a real QEMU -----------------------------------------------------------------------------


def _run(arguments: list[str], *commands: dict) -> tuple[list[dict], str]:
    """Start QEMU, ask it over QMP; its answers and what it complained of."""
    assert QEMU, "needs Debian's qemu-system-x86 (7.2)"
    asked = "".join(
        json.dumps(command)
        for command in ({"execute": "qmp_capabilities"}, *commands, {"execute": "quit"})
    )
    base = ["-nodefaults", "-display", "none", "-S", "-accel", "tcg", "-qmp", "stdio"]
    ran = subprocess.run(
        [QEMU, *base, *arguments],
        input=asked,
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    return [answer for answer in answers if "return" in answer or "error" in answer], ran.stderr


@pytest.fixture(scope="module")
def catalogue_72() -> Catalogue:
    return read_directory(SAMPLE)


@pytest.mark.qemu
@pytest.mark.parametrize("form", [formats.GLOBALS, formats.READCONFIG])
@pytest.mark.parametrize("machine_type", ["pc-q35-6.0", "pc-q35-2.12", "pc-i440fx-2.4"])
def test_exported_set_starts_qemu(
    machine_type: str, form: str, catalogue_72: Catalogue, tmp_path: Path
) -> None:
    listed = catalogue_72.machine_types[machine_type].compat
    left = target.left_out(catalogue_72, listed)
    chosen = [
        *target.without(listed, left, formats.COMMAND_LINE),
        CompatProperty("usb-kbd", "serial", "a,b = c"),
    ]
    path = tmp_path / form
    path.write_text(formats.FORMATS[form](machine_type, chosen))
    given_as = (
        shlex.split(path.read_text()) if form == formats.GLOBALS else ["-readconfig", str(path)]
    )
    answers, complaints = _run(
        ["-M", machine_type, *given_as, "-device", "qemu-xhci", "-device", "usb-kbd,id=keyboard"],
        {
            "execute": "qom-get",
            "arguments": {"path": "/machine/peripheral/keyboard", "property": "serial"},
        },
    )
    assert answers[1] == {"return": "a,b = c"}
    assert [line for line in complaints.splitlines() if not NOTE.search(line)] == []


def test_the_trial_report_says_where_a_side_is_its_catalogue_alone() -> None:
    trial = {"source": "up 1.0", "destination": "down 1.2", "origins": ["catalogue", "policy"]}
    assert "| up 1.0 (catalogue) | down 1.2 |" in trials.report("down 1.2", [trial])
