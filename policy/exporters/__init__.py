"""The forms in which a policy leaves this house, one module for each.

Every format of property sets has the same two functions: ``export(machine_type, properties)``
gives the text, ``read(text)`` gives the properties back without loss. They are pure functions of
what they are given, so that the same revision gives the same bytes on every machine.

    c_array  globals  libvirt  readconfig  a machine type's property set; formats lists them,
                                           target tells what of it which QEMU takes
    query_machines                         all machine types, as QEMU itself tells them
    json  yaml  schema                     the whole policy, and the schema that it holds to
    changes  trials  mitigations           for people: what changed, what was tried, what guests
                                           that were started earlier need
    provenance                             where it comes from, and who answers for it

A value that a format cannot express raises :class:`ExportError`; nothing is ever left out or
altered silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from machines.emulator.catalogue import CompatProperty

#: Begins the name of every bitmap property (domain: ``vmstate-blacklist``, ``…-<section>``).
BLACKLIST_PREFIX = "vmstate-blacklist"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class ExportError(ValueError):
    """A property cannot be expressed in a format, or a text is not in that format."""


def check_text(properties: Iterable[CompatProperty]) -> None:
    """Refuse control characters: no line-based format carries a newline, no C string a NUL."""
    for item in properties:
        for text in (item.driver, item.property, item.value):
            if found := _CONTROL.search(text):
                raise ExportError(
                    f"{item.driver}.{item.property}: holds the control character {found[0]!r}"
                )


def is_blacklist(item: CompatProperty) -> bool:
    """Whether the property is a bitmap of section versions, which QEMU itself does not have."""
    name = item.property
    return name == BLACKLIST_PREFIX or name.startswith(f"{BLACKLIST_PREFIX}-")
