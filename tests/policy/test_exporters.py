"""Exported property sets: exact, read back without loss, and taken by a real QEMU and compiler."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machines.emulator.catalogue import Catalogue, CompatProperty
from machines.emulator.catalogue.answers import read_directory
from policy.document import CatalogueRef, MachineType, Policy
from policy.exporters import ExportError, c_array, formats, globals, readconfig, target, trials
from policy.exporters import json as policy_json

SAMPLE = Path("machines/sample/qemu/7.2")
QEMU = shutil.which("qemu-system-x86_64")
STUB = """\
#include <stddef.h>
#define G_N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
typedef struct GlobalProperty { const char *driver, *property, *value; } GlobalProperty;
"""

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
def test_c_array_is_read_back(listed: tuple[CompatProperty, ...]) -> None:
    assert c_array.read(c_array.export("pc-q35-7.2", listed)) == listed


def test_policy_is_read_back() -> None:
    policy = Policy(
        "rhel",
        "9.2",
        CatalogueRef("upstream 7.2", "0" * 64),
        machine_types=(MachineType("pc", entries=(CompatProperty("a", "b", "ü", "arr"),)),),
    )
    assert policy_json.read(policy_json.export(policy)) == policy


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
        (c_array.read, "int x;", "no complete GlobalProperty array"),
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
    remaining = target.without(listed, left, formats.SCOPES[formats.GLOBALS])
    assert [item.property for item in remaining] == ["x", "legacy-z"]
    remaining = target.without(listed, left, formats.SCOPES[formats.C_ARRAY])
    assert [item.property for item in remaining] == ["x", "y", "legacy-z", "z"]
    assert "| foo.y | globals.args, compat.cfg | foo-pci has no" in target.report({"pc": left})


def test_c_array_compiles(tmp_path: Path) -> None:
    listed = {
        "pc-q35-7.2": (CompatProperty("usb-kbd", "serial", 'a"b\\c??/ü1 */'),),
        "pc-empty/*": (),
    }
    for name in ("qemu/osdep.h", "hw/qdev-core.h"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(STUB if name.endswith("core.h") else "")
    identifiers = c_array.identifiers(list(listed))
    (tmp_path / c_array.HEADER_NAME).write_text(c_array.header(identifiers.values()))
    main = f"""#include <stdio.h>
#include "{c_array.HEADER_NAME}"
int main(void) {{ printf("%zu %zu %s", lockstep_pc_q35_7_2_len, lockstep_pc_empty___len,
    lockstep_pc_q35_7_2[0].value); return 0; }}"""
    sources = {"main.c": main} | {
        f"{identifiers[name]}.c": c_array.export(name, entries) for name, entries in listed.items()
    }
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-I.", *sources, "-o", "try"],
        cwd=tmp_path,
        check=True,
    )
    ran = subprocess.run([str(tmp_path / "try")], capture_output=True, check=True)
    assert ran.stdout.decode() == '1 0 a"b\\c??/ü1 */'


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
        timeout=60,
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
        *target.without(listed, left, formats.SCOPES[form]),
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
