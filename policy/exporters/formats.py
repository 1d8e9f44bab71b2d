"""The formats of one machine type's property set, and the file that each goes into.

The formats of a whole release (C arrays, ``query-machines``) are modules of their own:
:mod:`policy.exporters.c_array`, :mod:`policy.exporters.query_machines`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from machines.emulator.catalogue import CompatProperty
from policy.exporters import ExportError, globals, libvirt, readconfig
from policy.exporters.target import Scope

Exporter = Callable[[str, Sequence[CompatProperty]], str]
Reader = Callable[[str], tuple[CompatProperty, ...]]

GLOBALS, READCONFIG, LIBVIRT = "globals.args", "compat.cfg", "domain.xml"
FORMATS: dict[str, Exporter] = {
    GLOBALS: globals.export,
    READCONFIG: readconfig.export,
    LIBVIRT: libvirt.export,
}
READERS: dict[str, Reader] = {
    GLOBALS: globals.read,
    READCONFIG: readconfig.read,
    LIBVIRT: libvirt.read,
}
#: Which left-out properties are left out of these: they all end on QEMU's command line. What is
#: built into QEMU leaves out those of the scope "all" alone.
COMMAND_LINE: frozenset[Scope] = frozenset({"all", "command-line"})
BUILT_IN: frozenset[Scope] = frozenset({"all"})


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
