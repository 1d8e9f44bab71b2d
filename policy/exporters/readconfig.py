"""A ``-readconfig`` file: one ``[global]`` group for each property.

Use: ``qemu-system-x86_64 -M pc-q35-rhel9.2.0 -readconfig compat.cfg …``.

    >>> print(export("pc", [CompatProperty("usb-kbd", "serial", "42")]), end="")
    # Compat properties of pc, in order of application: the later wins.
    <BLANKLINE>
    [global]
      driver = "usb-kbd"
      property = "serial"
      value = "42"

Source: QEMU's ``qemu_config_foreach`` (util/qemu-config.c). Lines are read into 1024 bytes, a
value ends at the next double quote, and there is no escape for one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from machines.emulator.catalogue import CompatProperty
from policy.exporters import ExportError, check_text

_MAX_LINE = 1023  # bytes with the newline: char line[1024] in qemu_config_foreach
_KEYS = ("driver", "property", "value")
_SETTING = re.compile(r'^\s*(\w+)\s*=\s*"([^"]*)"\s*$')


def export(machine_type: str, properties: Sequence[CompatProperty]) -> str:
    """The file's text, groups in order of application. Raises :class:`ExportError`."""
    check_text(properties)
    groups = [f"# Compat properties of {machine_type}, in order of application: the later wins.\n"]
    for item in properties:
        lines = [
            _line(item, key, text)
            for key, text in zip(_KEYS, (item.driver, item.property, item.value), strict=True)
        ]
        groups.append("".join(["\n[global]\n", *lines]))
    return "".join(groups)


def _line(item: CompatProperty, key: str, text: str) -> str:
    line = f'  {key} = "{text}"\n'
    if '"' in text:
        raise ExportError(
            f'{item.driver}.{item.property}: a -readconfig file cannot hold the character "'
        )
    if len(line.encode()) > _MAX_LINE:
        raise ExportError(
            f"{item.driver}.{item.property}: the {key} is longer than a line of a -readconfig "
            f"file may be ({_MAX_LINE} bytes)"
        )
    return line


def read(text: str) -> tuple[CompatProperty, ...]:
    """The properties of a file that holds only ``[global]`` groups."""
    groups: list[dict[str, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped == "[global]":
            groups.append({})
        elif groups and (match := _SETTING.match(line)) and match[1] in _KEYS:
            groups[-1][match[1]] = match[2]
        else:
            raise ExportError(
                f'line {number}: should be [global], or driver, property or value = "…"'
            )
    for number, group in enumerate(groups, start=1):
        if missing := [key for key in _KEYS if key not in group]:
            raise ExportError(f"[global] group {number}: has no {missing[0]}")
    return tuple(CompatProperty(*(group[key] for key in _KEYS)) for group in groups)
