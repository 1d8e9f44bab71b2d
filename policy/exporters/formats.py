"""Every format of a machine type's property set, and the file it goes into."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from machines.emulator.catalogue import CompatProperty
from policy.exporters import ExportError, c_array, globals, readconfig

Exporter = Callable[[str, Sequence[CompatProperty]], str]

GLOBALS, READCONFIG, C_ARRAY = "globals.args", "compat.cfg", "compat.c"
FORMATS: dict[str, Exporter] = {
    GLOBALS: globals.export,
    READCONFIG: readconfig.export,
    C_ARRAY: c_array.export,
}


#: Which left-out properties a format leaves out (see policy.exporters.target).
SCOPES: dict[str, frozenset[str]] = {
    GLOBALS: frozenset({"all", "command-line"}),
    READCONFIG: frozenset({"all", "command-line"}),
    C_ARRAY: frozenset({"all"}),
}


def export(
    filename: str, machine_type: str, properties: Sequence[CompatProperty], name: str
) -> str:
    """The text of one of :data:`FORMATS`; ``name`` is the C array's."""
    if filename == C_ARRAY:
        return c_array.export(machine_type, properties, name)
    return FORMATS[filename](machine_type, properties)


def problems(properties: Sequence[CompatProperty]) -> list[str]:
    """Why a property set cannot be exported in every format; empty where it can."""
    found: dict[str, None] = {}
    for exporter in FORMATS.values():
        for item in properties:
            try:
                exporter("machine", (item,))
            except ExportError as error:
                found[str(error)] = None
    return list(found)
