"""The machine's devices as objects, and their properties (QEMU's qom/qom-qmp-cmds.c).

Devices stand under ``/machine/peripheral`` by their id, and under ``/machine/peripheral-anon`` by
their number. A device's properties are fixed once the machine is built, as QEMU's are after
``realize``; the blacklist bitmaps alone may be set later, as nothing looks at them before a
stream is saved or loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from machines.emulator.catalogue import PropertyInfo
from machines.emulator.monitor.arguments import anything, switch, text
from machines.emulator.monitor.commands import command
from machines.emulator.monitor.protocol import QmpError, no_such_device
from machines.emulator.qdev import TRUE_WORDS, check_value
from machines.emulator.running import Plugged, is_bitmap, properties, winning_entry

if TYPE_CHECKING:
    from machines.emulator.monitor.process import Process

CONTAINERS = ("/machine/peripheral", "/machine/peripheral-anon")
_WHOLE = re.compile(r"u?int(8|16|32|64)?(_t)?|size")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([bkmgtpe])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Folder:
    """An object that has nothing but a type and children: name → the child's type."""

    type: str
    children: Mapping[str, str]


def _find(process: Process, path: str) -> Plugged | Folder:
    machine = process.machine
    plugged = machine.find(path)
    if plugged is not None:
        return plugged
    board = f"{machine.side.machine_type}-machine"
    if path == "/":
        return Folder("container", {"machine": board})
    if path == "/machine":
        return Folder(board, {name.rpartition("/")[2]: "container" for name in CONTAINERS})
    if path in CONTAINERS:
        children = {
            item.path.rpartition("/")[2]: item.device.driver
            for item in machine.devices
            if item.path.rpartition("/")[0] == path
        }
        return Folder("container", children)
    raise no_such_device(path)


def device(process: Process, path: str) -> Plugged:
    """The device at a path. Raises :class:`QmpError`."""
    found = process.machine.find(path)
    if found is None:
        raise no_such_device(path)
    return found


@command("qom-list", {"path": text})
def qom_list(process: Process, arguments: Mapping[str, Any]) -> Any:
    """QAPI ``ObjectPropertyInfo``: name and type of each property and child."""
    found = _find(process, arguments["path"])
    listed = {"type": "string"}
    if isinstance(found, Folder):
        listed |= {name: f"child<{kind}>" for name, kind in found.children.items()}
    else:
        infos = properties(process.machine.side, found).values()
        listed |= {"realized": "bool", "hotplugged": "bool"}
        listed |= {info.name: info.type for info in infos}
    return [{"name": name, "type": kind} for name, kind in listed.items()]


@command("qom-get", {"path": text, "property": text})
def qom_get(process: Process, arguments: Mapping[str, Any]) -> Any:
    """A property's value, of its own type: ``on`` of a ``bool`` is true."""
    found, name = _find(process, arguments["path"]), arguments["property"]
    if isinstance(found, Folder):
        if name == "type":
            return found.type
        raise QmpError(f"Property '{found.type}.{name}' not found")
    fixed = {"type": found.device.driver, "realized": True, "hotplugged": False}
    if name in fixed:
        return fixed[name]
    info = _property(process, found, name)
    entry = winning_entry(process.machine.side, found, name)
    if entry is not None:
        return typed_value(info, entry.value)
    return _default(info, found.device.driver)


@command("qom-set", {"path": text, "property": text, "value": anything})
def qom_set(process: Process, arguments: Mapping[str, Any]) -> Any:
    found, name, value = _find(process, arguments["path"]), *_named_value(arguments)
    if isinstance(found, Folder):
        raise QmpError(f"Property '{found.type}.{name}' is not writable")
    driver = found.device.driver
    if name in ("type", "hotplugged"):
        raise QmpError(f"Property '{driver}.{name}' is not writable")
    if name == "realized":
        if not switch(name, value):
            raise QmpError(f"Device '{driver}' does not support hotplugging")
        return {}
    _property(process, found, name)
    if not is_bitmap(name):
        which = f"'{found.id}'" if found.id else f"'{found.path}'"
        raise QmpError(
            f"Attempt to set property '{name}' on device {which} (type '{driver}') "
            "after it was realized"
        )
    process.migrations.require_idle()
    process.machine.set_bitmap(found, name, text(name, value))
    return {}


def _named_value(arguments: Mapping[str, Any]) -> tuple[str, Any]:
    return arguments["property"], arguments["value"]


def _property(process: Process, plugged: Plugged, name: str) -> PropertyInfo:
    info = properties(process.machine.side, plugged).get(name)
    if info is None:
        raise QmpError(f"Property '{plugged.device.driver}.{name}' not found")
    return info


def typed_value(info: PropertyInfo, given: str) -> Any:
    """A text as a value of the property's type; as it is where the text is none."""
    if check_value(info, given) is not None:
        return given
    if info.type == "bool":
        return given.lower() in TRUE_WORDS
    if not _WHOLE.fullmatch(info.type):
        return given
    size = _SIZE.fullmatch(given.strip()) if info.type == "size" else None
    if size is not None:
        return int(float(size[1]) * 1024 ** "bkmgtpe".index(size[2].lower()))
    return _whole(given.strip())


def _whole(given: str) -> int:
    sign = -1 if given.startswith("-") else 1
    digits = given.lstrip("+-")
    return sign * int(digits, 16 if digits[:2].lower() == "0x" else 10)


def _default(info: PropertyInfo, driver: str) -> Any:
    if info.default is not None:
        return info.default
    if info.type in ("str", "string") or info.type.startswith("link<"):
        return ""
    raise QmpError(f"The release does not tell the value of '{driver}.{info.name}'")
