"""Sections that were really sent, beside the descriptions of a release's dump.

A stream names sections, not device types. Where a vmdescription tells the names of the fields,
they tell which type is meant, and what of the section another release would not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from machines.emulator.catalogue import Description
from machines.emulator.compare import PLAIN_SIZES, Finding
from machines.emulator.parties import drivers_named
from machines.emulator.refusals import missing_footer

if TYPE_CHECKING:
    from machines.emulator.snapshot import Snapshot


def drivers_of(sent: Snapshot, descriptions: Mapping[str, Description]) -> Iterator[str]:
    """One device type per section of a stream: of those with such a section the likest."""
    for section in sent.sections:
        listed = section.device.get("fields", ()) if section.device else ()
        names = {str(item.get("name", "")) for item in listed if isinstance(item, dict)}
        version = section.version_id
        alike = [
            driver
            for driver in drivers_named(descriptions, section.name)
            if not names or names & {item.name for item in descriptions[driver].fields}
        ]
        if alike:
            yield max(
                alike,
                key=lambda driver: (
                    len(names & {item.name for item in descriptions[driver].fields}),
                    descriptions[driver].version_id == version,
                ),
            )


def compare_sent(
    device: Mapping[str, Any], version: int, description: Description
) -> Iterator[Finding]:
    """What a description says of a section that was really sent, without the reader's own.

    ``device`` is the section's entry in the vmdescription. Only what must differ is told: a
    field that is always read and was not sent, or one that was sent and is not read. Where a field
    of each kind is left over, one may be the other under a new name.
    """
    sent = {str(item.get("name", "")).split("[")[0] for item in device.get("fields", ())}
    read = [item for item in description.fields if item.version_id <= version]
    known = {item.name.split("[")[0] for item in read}
    missing = [
        item
        for item in read
        if not item.conditional
        and item.struct is None  # an array of none is not described
        and item.size in PLAIN_SIZES
        and item.name.split("[")[0] not in sent
    ]
    surplus = sorted(sent - known)
    if sent and known and not sent & known:
        return  # another description of the same name, which no dump shows
    if "unused" in (known if surplus else sent):
        return  # a field was given up, but only its place tells which
    if (missing and not surplus) or (surplus and not known - sent):
        name = missing[0].name if missing else surplus[0]
        yield Finding(
            description.name,
            None,
            name,
            "refuses",
            missing_footer(str(device.get("name", description.name))),
        )
