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
