"""A C array of ``GlobalProperty``, in the style of QEMU's own compat arrays.

One source file for each machine type, and one header that declares the arrays of all of them:

    GlobalProperty lockstep_pc_q35_rhel9_2_0[] = {
        { "PIIX4_PM", "disable_s3", "1" },
    };
    const size_t lockstep_pc_q35_rhel9_2_0_len = G_N_ELEMENTS(lockstep_pc_q35_rhel9_2_0);

Source: ``GlobalProperty`` in include/hw/qdev-core.h, ``hw_compat_*`` in hw/core/machine.c.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from machines.emulator.catalogue import CompatProperty
from policy.exporters import ExportError, check_text

HEADER_NAME = "lockstep-compat.h"
_PREFIX = "lockstep_"
_STRING = r'"((?:[^"\\\n]|\\.)*)"'
_ENTRY = re.compile(rf"^\s*\{{\s*{_STRING}\s*,\s*{_STRING}\s*,\s*{_STRING}\s*\}},\s*$")
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)")


def export(machine_type: str, properties: Sequence[CompatProperty], name: str = "") -> str:
    """The source file. ``name`` is the array's, by default :func:`identifier`'s."""
    check_text(properties)
    name = name or identifier(machine_type)
    entries = "".join(
        f"    {{ {_literal(item.driver)}, {_literal(item.property)}, {_literal(item.value)} }},\n"
        for item in properties
    )
    return (
        f"/* Compat properties of {_comment(machine_type)}, in order: the later wins. */\n"
        f'#include "qemu/osdep.h"\n#include "{HEADER_NAME}"\n\n'
        f"GlobalProperty {name}[] = {{\n{entries}}};\n"
        f"const size_t {name}_len = G_N_ELEMENTS({name});\n"
    )


def header(names: Iterable[str]) -> str:
    """The header that declares the arrays of these names."""
    declarations = "".join(
        f"extern GlobalProperty {name}[];\nextern const size_t {name}_len;\n" for name in names
    )
    return (
        "#ifndef LOCKSTEP_COMPAT_H\n#define LOCKSTEP_COMPAT_H\n\n"
        f'#include "hw/qdev-core.h"\n\n{declarations}\n#endif\n'
    )


def identifier(machine_type: str) -> str:
    """The array's name: ``pc-q35-rhel9.2.0`` gives ``lockstep_pc_q35_rhel9_2_0``."""
    return _PREFIX + re.sub(r"[^A-Za-z0-9_]", "_", machine_type)


def identifiers(machine_types: Sequence[str]) -> Mapping[str, str]:
    """A name for each machine type, told apart by a digest where two would have the same."""
    plain = {item: identifier(item) for item in machine_types}
    shared = Counter(plain.values())
    return {
        item: name
        if shared[name] == 1
        else f"{name}_{hashlib.sha256(item.encode()).hexdigest()[:8]}"
        for item, name in plain.items()
    }


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


def read(text: str) -> tuple[CompatProperty, ...]:
    """The entries of an exported source file, in order."""
    found: list[CompatProperty] = []
    begun = False
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("GlobalProperty "):
            begun = True
        elif begun and line.startswith("};"):
            return tuple(found)
        elif begun:
            match = _ENTRY.match(line)
            if match is None:
                raise ExportError(f'line {number}: should be {{ "driver", "property", "value" }},')
            found.append(CompatProperty(*map(_unescape, match.groups())))
    raise ExportError("no complete GlobalProperty array is here")


def _unescape(literal: str) -> str:
    def replace(match: re.Match[str]) -> str:
        # Bytes travel as the characters of the same number until the whole is decoded.
        return chr(int(match[1], 8)) if match[1][0] in "01234567" else match[1]

    return _ESCAPE.sub(replace, literal).encode("latin-1").decode()
