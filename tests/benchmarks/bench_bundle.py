"""How long a worker builds the bundle of a release with many machine types."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict

from machines.emulator.catalogue import CompatProperty
from policy.document import CatalogueRef, MachineType, Policy, canonical
from policy.exporters.target import LeftOut
from policy.packing import content, verifying

MACHINE_TYPES, OWN_ENTRIES, DEVICES = 90, 6, 350
#: In seconds (docs/benchmarks.md).
MOST_TO_BUILD = 5.0


def revision() -> str:
    """Each machine type goes on from the one before: up to 540 entries and 350 bitmaps."""
    machine_types: list[MachineType] = []
    for number in range(MACHINE_TYPES):
        array = f"hw_compat_rhel_{number}"
        entries = tuple(
            CompatProperty(f"virtio-{at}-pci", f"x-property-{number}-{at}", "off", array)
            for at in range(OWN_ENTRIES)
        )
        parent = machine_types[-1].name if machine_types else ""
        machine_types.append(MachineType(f"pc-q35-rhel{number}.0", parent, entries))
    policy = Policy(
        "rhel", "9", CatalogueRef("upstream 7.2", "0" * 64), machine_types=tuple(machine_types)
    )
    bitmaps = [
        {
            "driver": f"device-{at}",
            "property": "vmstate-blacklist",
            "value": hashlib.sha256(str(at).encode()).hexdigest()[:8],
        }
        for at in range(DEVICES)
    ]
    for item in bitmaps:
        item["value"] = f"0x{item['value']}"
    left = [asdict(LeftOut(i["driver"], i["property"], "all", "a bitmap")) for i in bitmaps]
    derived = {
        "revision": {"number": 1, "parent": "", "published_at": "2026-05-05T00:00:00+00:00"},
        "trials": [],
        "properties": {
            item.name: [
                *(
                    {"driver": e.driver, "property": e.property, "value": e.value}
                    for e in policy.resolved(item.name)
                ),
                *bitmaps,
            ]
            for item in machine_types
        },
        "left_out": {item.name: left for item in machine_types},
    }
    return canonical({"policy": policy.to_json(), "derived": derived})


def test_a_release_of_ninety_machine_types_is_built_in_time() -> None:
    text = revision()
    begun = time.process_time()
    built = content.render(text)
    took = time.process_time() - begun
    begun = time.process_time()
    assert verifying.problems(built.content) == []
    checked = time.process_time() - begun
    size = len(built.content) / 2**20
    print(f"built in {took:.2f} s, verified in {checked:.2f} s, {size:.1f} MiB")  # noqa: T201
    assert took < MOST_TO_BUILD
