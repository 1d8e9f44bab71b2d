"""Importing a catalogue: atomic, idempotent, in a bounded number of queries."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from machines.catalogue import (
    NoCatalogue,
    catalogue_of,
    effective_catalogue,
    import_catalogue,
)
from machines.emulator.catalogue import (
    Catalogue,
    CatalogueError,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.qdev import properties_of
from machines.models import CompatProperty as CompatRow
from machines.models import DeviceType, Property, Release, Section, Snapshot, Tree

SAMPLE = Path(__file__).parents[2] / "machines" / "sample"

FOO = Description(
    "foo", 2, 1, (Field("a", 4), Field("b", 4, version_id=2)), (Description("foo/c", 1, 1),)
)
SMALL = Catalogue(
    "1.0.0",
    types={"device": None, "foo": "device"},
    descriptions={"foo": FOO},
    properties={
        "device": {"hotplugged": PropertyInfo("hotplugged", "bool")},
        "foo": {"x": PropertyInfo("x", "uint32", 3)},
    },
    unreadable={"bar": "QEMU aborted"},
    machine_types={"pc-1.0": MachineType("pc-1.0", compat=(CompatProperty("foo", "x", "4"),))},
)


def make_release(tree: str = "upstream", version: str = "1.0", **links: Release) -> Release:
    row, _ = Tree.objects.get_or_create(name=tree)
    return Release.objects.create(tree=row, version=version, **links)


def run(release: Release, catalogue: Catalogue = SMALL):
    return import_catalogue(release, catalogue, source="test", user=None)


@pytest.mark.django_db
def test_an_import_writes_the_content_and_its_index() -> None:
    outcome = run(make_release())
    assert outcome.created
    assert catalogue_of(outcome.snapshot) == SMALL
    assert sorted(DeviceType.objects.values_list("name", "property_count", "section_count")) == [
        ("bar", 0, 0),
        ("device", 1, 0),
        ("foo", 2, 2),
    ]
    assert Property.objects.get(name="x").default == 3
    assert Section.objects.get(path="foo/foo/c").parent.path == "foo"
    assert CompatRow.objects.get().value == "4"
    assert outcome.snapshot.report["unreadable"] == {"bar": "QEMU aborted"}


@pytest.mark.django_db
def test_the_same_content_again_changes_nothing() -> None:
    release = make_release()
    first = run(release)
    again = run(release)
    assert (again.snapshot, again.created, again.changes) == (first.snapshot, False, {})
    assert DeviceType.objects.count() == 3


@pytest.mark.django_db
def test_other_content_makes_a_new_snapshot_and_leaves_the_old_one() -> None:
    release = make_release()
    first = run(release).snapshot
    before = Snapshot.objects.filter(pk=first.pk).values("content", "digest", "report").get()
    other = replace(SMALL, descriptions={"foo": replace(FOO, version_id=3)})
    outcome = run(release, other)
    assert outcome.snapshot.number == 2
    assert outcome.changes["sections"]["changed"]["names"] == ["foo: foo: version 2 → 3"]
    assert release.current_snapshot == outcome.snapshot
    assert Snapshot.objects.filter(pk=first.pk).values(*before).get() == before
    assert catalogue_of(first) == SMALL


@pytest.mark.django_db
def test_older_content_makes_its_snapshot_current_again() -> None:
    release = make_release()
    first = run(release).snapshot
    run(release, replace(SMALL, version="1.0.1"))
    back = run(release)
    assert (back.snapshot, back.created) == (first, False)
    assert release.current_snapshot == first


@pytest.mark.django_db
def test_a_failing_import_leaves_nothing() -> None:
    deep = Description("x" * 255, 1, 1)
    for _ in range(2):
        deep = Description("x" * 255, 1, 1, subsections=(deep,))
    with pytest.raises(CatalogueError, match=r"vmstate.foo: the path"):
        run(make_release(), replace(SMALL, descriptions={"foo": deep}))
    with pytest.raises(CatalogueError, match="holds no device type"):
        run(Release.objects.get(), Catalogue("1.0"))
    assert not Snapshot.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_the_same_content_at_once_make_one_snapshot() -> None:
    release = make_release()
    together = threading.Barrier(2)

    def start(_: int) -> bool:
        together.wait(10)
        try:
            return run(release).created
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        created = list(pool.map(start, range(2)))
    assert sorted(created) == [False, True]
    assert Snapshot.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("version", ["5.2", "11.1"])
def test_a_real_release_takes_few_queries(version: str) -> None:
    catalogue = read_directory(SAMPLE / "qemu" / version)
    release = make_release(version=version)
    with CaptureQueriesContext(connection) as queries:
        snapshot = run(release, catalogue).snapshot
    assert len(queries) < 100
    assert snapshot.device_types.count() == len(catalogue.types)
    assert snapshot.machine_types.count() == len(catalogue.machine_types)
    counts = dict(snapshot.device_types.values_list("name", "property_count"))
    assert counts == {name: len(properties_of(catalogue, name)) for name in catalogue.types}


@pytest.mark.django_db
def test_a_downstream_stands_on_its_base() -> None:
    base = make_release()
    run(base)
    downstream = make_release("rhel", "1", base=base)
    catalogue, source = effective_catalogue(downstream)
    assert catalogue == SMALL
    assert (source.label, source.stand_in_for, source.layers) == ("upstream 1.0", "", ())


@pytest.mark.django_db
def test_a_downstreams_own_arrays_are_laid_over_its_base() -> None:
    base = make_release()
    run(base)
    downstream = make_release("rhel", "1", base=base)
    arrays = {"hw_compat_rhel_1_0": (CompatProperty("foo", "x", "5", "hw_compat_rhel_1_0"),)}
    own = run(downstream, Catalogue("", arrays=arrays)).snapshot
    catalogue, source = effective_catalogue(downstream)
    assert catalogue.types == SMALL.types
    assert catalogue.arrays == arrays
    assert source.layers == (own,)
    assert source.digest not in {own.digest, source.snapshot.digest}


@pytest.mark.django_db
def test_a_stand_in_serves_where_the_base_is_not_imported_and_says_so() -> None:
    base = make_release(version="1.0")
    other = make_release(version="2.0")
    run(other)
    downstream = make_release("rhel", "1", base=base, stand_in=other)
    _, source = effective_catalogue(downstream)
    assert source.label == "upstream 2.0"
    assert source.note == (
        "upstream 2.0's catalogue stands in for upstream 1.0, which is not imported."
    )


@pytest.mark.django_db
def test_a_base_that_is_imported_later_takes_over_from_the_stand_in() -> None:
    base = make_release(version="1.0")
    other = make_release(version="2.0")
    run(other)
    downstream = make_release("rhel", "1", base=base, stand_in=other)
    run(base)
    _, source = effective_catalogue(downstream)
    assert (source.label, source.note) == ("upstream 1.0", "")


@pytest.mark.django_db
def test_nothing_imported_is_said_with_what_to_do() -> None:
    base = make_release()
    with pytest.raises(NoCatalogue, match=r"upstream 1.0 is not imported"):
        effective_catalogue(base)
    with pytest.raises(NoCatalogue, match="import it, or name a stand-in"):
        effective_catalogue(make_release("rhel", "1", base=base))


@pytest.mark.django_db
def test_releases_that_name_each_other_as_base_end_in_a_message() -> None:
    first = make_release()
    second = make_release(version="2.0", base=first)
    first.base = second
    first.save()
    with pytest.raises(NoCatalogue):
        effective_catalogue(first)
