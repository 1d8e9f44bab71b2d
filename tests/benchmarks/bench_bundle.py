"""How long a worker builds the bundle of a release with many machine types."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client

from machines.emulator.catalogue import CompatProperty
from machines.models import Release, Snapshot, Tree
from policy.document import CatalogueRef, MachineType, Policy, canonical
from policy.exporters.target import LeftOut
from policy.models import Membership, Revision, Role
from policy.packing import content, verifying
from workers import jobs, tasks

MACHINE_TYPES, OWN_ENTRIES, DEVICES = 90, 6, 350
#: In seconds (docs/benchmarks.md).
MOST_TO_BUILD, MOST_TO_FETCH = 5.0, 0.25


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


@pytest.mark.django_db
def test_a_worker_builds_it_once_and_a_download_only_reads() -> None:
    text = revision()
    release = Release.objects.create(tree=Tree.objects.create(name="rhel"), version="9")
    snapshot = Snapshot.objects.create(release=release, number=1, digest="0" * 64, content=b"")
    manager = User.objects.create_user("manager")
    Membership.objects.create(user=manager, tree=release.tree, role=Role.RELEASE_MANAGER)
    published = Revision.objects.create(
        release=release,
        number=1,
        content=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        snapshot=snapshot,
        published_by=manager,
        published_at=datetime(2026, 5, 5, tzinfo=UTC),
    )
    job = jobs.enqueue_bundle(published, manager)
    built = _seconds(lambda: tasks.execute(job.pk, tasks.build_bundle))
    client = Client()
    client.force_login(manager)
    address = "/bundles/rhel/9/r1/download"
    assert client.get(address).status_code == 200
    fetched = min(_seconds(lambda: client.get(address).getvalue()) for _ in range(5))
    print(f"by a worker in {built:.2f} s, a download in {fetched * 1000:.0f} ms")  # noqa: T201
    job.refresh_from_db()
    assert job.status == "done"
    assert built < MOST_TO_BUILD
    assert fetched < MOST_TO_FETCH


def _seconds(do: Callable[[], object]) -> float:
    """Of the processor."""
    begun = time.process_time()
    do()
    return time.process_time() - begun
