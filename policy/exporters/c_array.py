"""C arrays of ``GlobalProperty``, in the style of QEMU's own compat arrays: one source, one header.

Each array that was imported is one array again, whichever machine types apply it; entries that
belong to no array make one that is named after their machine type. A function for each machine
type adds its arrays in order of application:

    /* hw_compat_rhel_9_2 */
    GlobalProperty lockstep_hw_compat_rhel_9_2[] = {
        { "PIIX4_PM", "disable_s3", "1" },
    };
    const size_t lockstep_hw_compat_rhel_9_2_len = G_N_ELEMENTS(lockstep_hw_compat_rhel_9_2);

    /* pc-q35-rhel9.0.0 */
    void lockstep_pc_q35_rhel9_0_0_compat(GPtrArray *compat_props)
    {
        add(compat_props, lockstep_hw_compat_rhel_9_2, lockstep_hw_compat_rhel_9_2_len);
    }

Two machine types on which an array of one name says different things get an array each.

Source: ``GlobalProperty`` in include/hw/qdev-core.h, ``hw_compat_*`` in hw/core/machine.c.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from machines.emulator.catalogue import CompatProperty
from policy.exporters import ExportError, check_text

SOURCE_NAME, HEADER_NAME = "lockstep-compat.c", "lockstep-compat.h"
_PREFIX = "lockstep_"
_STRING = r'"((?:[^"\\\n]|\\.)*)"'
_ENTRY = re.compile(rf"^\s*\{{\s*{_STRING}\s*,\s*{_STRING}\s*,\s*{_STRING}\s*\}},\s*$")
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)")
_COMMENT = re.compile(r"^/\* (.*) \*/$")
_BEGIN = re.compile(r"^GlobalProperty (\w+)\[\] = \{$")
_ADD = re.compile(r"^    add\(compat_props, (\w+), \w+\);$")

_HEAD = f"""\
/* Compat properties by machine type, in order of application: the later wins. */
#include "qemu/osdep.h"
#include "{HEADER_NAME}"
"""
_ADDER = """
static void add(GPtrArray *compat_props, GlobalProperty *array, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        g_ptr_array_add(compat_props, &array[i]);
    }
}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Entries that follow each other and come from one place: an imported array, or what
    ``origin`` else names (the machine type that sets them itself).
    """

    origin: str
    entries: tuple[CompatProperty, ...]


Runs = Mapping[str, Sequence[Run]]


def export(runs: Runs) -> str:
    """The source file of these machine types. Raises :class:`policy.exporters.ExportError`."""
    arrays = _arrays(runs)
    names = identifiers(list(runs))
    parts = [_HEAD]
    parts += [_array(name, run) for run, name in arrays.names.items()]
    if arrays.names:
        parts.append(_ADDER)
    for machine_type, listed in runs.items():
        parts.append(
            _function(machine_type, names[machine_type], [arrays.names[r] for r in listed])
        )
    return "".join(parts)


def header(runs: Runs) -> str:
    """The header that declares the arrays and functions of :func:`export`."""
    arrays = _arrays(runs).names.values()
    declarations = "".join(
        f"extern GlobalProperty {name}[];\nextern const size_t {name}_len;\n" for name in arrays
    ) + "".join(
        f"void {name}_compat(GPtrArray *compat_props);\n"
        for name in identifiers(list(runs)).values()
    )
    return (
        "#ifndef LOCKSTEP_COMPAT_H\n#define LOCKSTEP_COMPAT_H\n\n"
        f'#include "hw/qdev-core.h"\n\n{declarations}\n#endif\n'
    )


def identifier(name: str) -> str:
    """The C name of an array or a machine type: ``lockstep_pc_q35_rhel9_2_0``."""
    return _PREFIX + re.sub(r"[^A-Za-z0-9_]", "_", name)


def identifiers(names: Sequence[str]) -> Mapping[str, str]:
    """A C name for each, told apart by a digest where two would have the same."""
    plain = {item: identifier(item) for item in names}
    shared = Counter(plain.values())
    return {
        item: name if shared[name] == 1 else f"{name}_{_digest(item)}"
        for item, name in plain.items()
    }


@dataclass(slots=True)
class _Arrays:
    """The C name of each array, by what it holds."""

    names: dict[Run, str] = field(default_factory=dict)

    def add(self, run: Run) -> None:
        if run in self.names:
            return
        name = identifier(run.origin)
        if name in self.names.values():
            name = f"{name}_{_digest(repr((run.origin, run.entries)))}"
        self.names[run] = name


def _arrays(runs: Runs) -> _Arrays:
    arrays = _Arrays()
    for listed in runs.values():
        for run in listed:
            arrays.add(run)
    return arrays


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _array(name: str, run: Run) -> str:
    check_text(run.entries)
    entries = "".join(
        f"    {{ {_literal(item.driver)}, {_literal(item.property)}, {_literal(item.value)} }},\n"
        for item in run.entries
    )
    return (
        f"\n/* {_comment(run.origin)} */\nGlobalProperty {name}[] = {{\n{entries}}};\n"
        f"const size_t {name}_len = G_N_ELEMENTS({name});\n"
    )


def _function(machine_type: str, name: str, arrays: Iterable[str]) -> str:
    calls = "".join(f"    add(compat_props, {array}, {array}_len);\n" for array in arrays)
    return (
        f"\n/* {_comment(machine_type)} */\n"
        f"void {name}_compat(GPtrArray *compat_props)\n{{\n{calls}}}\n"
    )


def _literal(text: str) -> str:
    """A C string literal of the text's UTF-8 bytes."""
    written = []
    for byte in text.encode():
        character = chr(byte)
        if character in '\\"?':  # '??' would begin a trigraph
            written.append("\\" + character)
        elif 0x20 <= byte < 0x7F:
            written.append(character)
        else:
            written.append(f"\\{byte:03o}")  # three digits, so that a digit may follow
    return f'"{"".join(written)}"'


def _comment(text: str) -> str:
    return text.replace("*/", "* /").replace("/*", "/ *")


# --- Reading --------------------------------------------------------------------------------------


def read(text: str) -> dict[str, tuple[CompatProperty, ...]]:
    """Machine type → its properties in order, from an exported source file.

    Raises :class:`policy.exporters.ExportError` that names the line.
    """
    lines = iter(enumerate(text.split("\n"), start=1))
    arrays: dict[str, list[CompatProperty]] = {}
    machine_types: dict[str, tuple[CompatProperty, ...]] = {}
    comment = ""
    for _, line in lines:
        if match := _COMMENT.match(line):
            comment = match[1]
        elif match := _BEGIN.match(line):
            arrays[match[1]] = list(_entries(lines))
        elif line.startswith("void "):
            added = _added(lines, arrays)
            machine_types[comment] = tuple(entry for name in added for entry in arrays[name])
    if not text.startswith(_HEAD):
        raise ExportError("no GlobalProperty arrays of this form are here")
    return machine_types


def _entries(lines: Iterator[tuple[int, str]]) -> Iterator[CompatProperty]:
    for number, line in lines:
        if line.startswith("};"):
            return
        match = _ENTRY.match(line)
        if match is None:
            raise ExportError(f'line {number}: should be {{ "driver", "property", "value" }},')
        yield CompatProperty(*map(_unescape, match.groups()))
    raise ExportError("an array has no end")


def _added(lines: Iterator[tuple[int, str]], arrays: Mapping[str, object]) -> Iterator[str]:
    for number, line in lines:
        if line == "}":
            return
        if line == "{":
            continue
        match = _ADD.match(line)
        if match is None or match[1] not in arrays:
            raise ExportError(f"line {number}: should add an array that is defined above")
        yield match[1]
    raise ExportError("a function has no end")


def _unescape(literal: str) -> str:
    def replace(match: re.Match[str]) -> str:
        # Bytes travel as the characters of the same number until the whole is decoded.
        return chr(int(match[1], 8)) if match[1][0] in "01234567" else match[1]

    try:
        return _ESCAPE.sub(replace, literal).encode("latin-1").decode()
    except UnicodeError as error:
        raise ExportError(f'"{literal:.60}" holds no text in UTF-8') from error
