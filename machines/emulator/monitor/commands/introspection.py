"""What the release is: the answers that it gave itself, out of its catalogue's files.

Shapes are those of QEMU's qapi/machine.json, qom.json, qdev.json and control.json. A catalogue
without one of the files gives that answer's list empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from machines.emulator.catalogue.properties import property_to_json
from machines.emulator.drivers import description_of
from machines.emulator.layout import section_of
from machines.emulator.monitor.arguments import switch, text
from machines.emulator.monitor.commands import command
from machines.emulator.monitor.protocol import QmpError, no_such_device
from machines.emulator.qdev import ancestors
from machines.emulator.running import bitmaps

if TYPE_CHECKING:
    from machines.emulator.monitor.process import Process


@command("query-version")
def query_version(process: Process, arguments: Mapping[str, Any]) -> Any:
    return process.release.version


@command("query-machines", {"*compat-props": switch})
def query_machines(process: Process, arguments: Mapping[str, Any]) -> Any:
    """QAPI ``MachineInfo``; compat properties also of a release that told only its arrays."""
    answers = []
    for entry in process.release.machines:
        known = {key: value for key, value in entry.items() if key != "compat-props"}
        if arguments.get("compat-props"):
            machine = process.machine.side.catalogue.machine_types.get(entry.get("name", ""))
            known["compat-props"] = [
                {"qom-type": item.driver, "property": item.property, "value": item.value}
                for item in (machine.compat if machine is not None else ())
            ]
        answers.append(known)
    return answers


@command("qom-list-types", {"*implements": text, "*abstract": switch})
def qom_list_types(process: Process, arguments: Mapping[str, Any]) -> Any:
    """QAPI ``ObjectTypeInfo``. A catalogue has device types alone."""
    catalogue = process.machine.side.catalogue
    wanted = arguments.get("implements")
    return [
        entry
        for entry in process.release.types
        if (arguments.get("abstract") or not entry.get("abstract"))
        and (wanted is None or wanted in ancestors(catalogue, entry["name"]))
    ]


@command("device-list-properties", {"typename": text})
def device_list_properties(process: Process, arguments: Mapping[str, Any]) -> Any:
    """QAPI ``ObjectPropertyInfo``, and the bitmaps that every device has here."""
    name = arguments["typename"]
    types = {entry["name"]: entry for entry in process.release.types}
    if name not in types:
        raise no_such_device(name)
    if types[name].get("abstract"):
        raise QmpError("Parameter 'typename' expects a non-abstract device type")
    listed = process.release.properties.get(name, [])
    if isinstance(listed, dict):
        raise QmpError(str(listed.get("error", "the release does not tell")))
    description = description_of(process.machine.side.catalogue, name)
    own = {} if description is None else bitmaps(section_of(description))
    return [*listed, *(property_to_json(info) for info in own.values())]
