"""The answer to QMP's ``query-machines`` (``compat-props`` true) of a QEMU with this policy.

Of each machine type the members that a policy decides: ``name`` and ``compat-props``, in order of
application. Whatever reads that answer reads this, an import of a release's catalogue too.

Source: ``MachineInfo`` and ``CompatProperty`` in qapi/machine.json (QEMU 9.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from machines.emulator.catalogue import CompatProperty
from policy.exporters import ExportError

_MEMBERS = ("qom-type", "property", "value")


def export(sets: Mapping[str, Sequence[CompatProperty]]) -> str:
    """The answer's JSON, one property a line."""
    machines: list[dict[str, Any]] = [
        {
            "name": name,
            "compat-props": [
                dict(zip(_MEMBERS, (e.driver, e.property, e.value), strict=True)) for e in listed
            ],
        }
        for name, listed in sets.items()
    ]
    return "[" + ",".join(map(_machine, machines)) + "\n]\n"


def _machine(machine: Mapping[str, Any]) -> str:
    entries = ",".join(f"\n  {_line(item)}" for item in machine["compat-props"])
    return f'\n{{"name": {_line(machine["name"])}, "compat-props": [{entries}]}}'


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def read(text: str) -> dict[str, tuple[CompatProperty, ...]]:
    """Machine type → its properties in order. Raises :class:`ExportError`."""
    try:
        return {
            machine["name"]: tuple(
                CompatProperty(*(str(item[member]) for member in _MEMBERS))
                for item in machine["compat-props"]
            )
            for machine in json.loads(text)
        }
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ExportError(f"is no answer to query-machines: {error!r:.200}") from error
