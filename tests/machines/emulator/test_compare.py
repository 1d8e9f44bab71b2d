"""What two releases send each other, from their descriptions: each difference and its grade."""

from functools import cache

import pytest
from real_streams import CATALOGUES, SELECTION, cases

from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)
from machines.emulator.commands.check import check_directories
from machines.emulator.compare import check
from machines.emulator.parties import Party
from machines.emulator.sent import compare_sent, drivers_of
from machines.emulator.snapshot import read_snapshot


def side(description: Description | None, **more) -> Party:
    listed = {} if description is None else {"foo": description}
    return Party.of(Catalogue("1.0", types={"foo": None}, descriptions=listed, **more), "pc-1.0")


def foo(*fields: Field, version: int = 2, minimum: int = 1, subsections=()) -> Description:
    return Description("foo", version, minimum, fields, tuple(subsections))


def grades(sent: Description, read: Description | None, **more) -> list[tuple[str | None, str]]:
    found = check(side(sent, **more), side(read))
    return [(finding.field, finding.grade) for finding in found]


A, B = Field("a", 4), Field("b", 4)


@pytest.mark.parametrize(
    ("sent", "read", "expected"),
    [
        (foo(A), foo(A), []),
        (foo(A, version=3), foo(A), [(None, "refuses")]),
        (foo(A, version=1), foo(A, minimum=2), [(None, "refuses")]),
        (foo(A), None, [(None, "refuses")]),
        (foo(A), foo(version=0, minimum=0), [(None, "refuses")]),
        (foo(A, B), foo(A), [("b", "refuses")]),
        (foo(A), foo(A, B), [("b", "refuses")]),
        (foo(A, version=1), foo(A, Field("b", 4, version_id=2)), []),
        (foo(A), foo(Field("a", 8)), [("a", "refuses")]),
        (foo(Field("a", 4, count=3)), foo(Field("a", 4, count=5)), [("a", "refuses")]),
        (foo(Field("a", 4, count=3)), foo(Field("a", 4)), []),
        (
            foo(Field("num_timers", 1)),
            foo(Field("num_timers_save", 1)),
            [("num_timers", "harmless")],
        ),
        (foo(A, Field("d_ctrl", 4, 2)), foo(A, Field("e_mode", 4, 2)), [("d_ctrl", "corrupts")]),
        (foo(A, Field("b", 4, conditional=True)), foo(A), [("b", "harmless")]),
        (foo(Field("s", 96, struct=foo(A))), foo(Field("s", 104, struct=foo(A))), []),
        (
            foo(Field("s", 96, struct=foo(A, B))),
            foo(Field("s", 96, struct=foo(A))),
            [("s.b", "refuses")],
        ),
    ],
)
def test_each_difference_is_graded(sent, read, expected):
    assert grades(sent, read) == expected


def test_every_difference_of_a_section_is_told():
    sent, read = foo(Field("x", 4), A, Field("y", 4), B), foo(A, B, Field("z", 4))
    assert [field for field, _ in grades(sent, read)] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("ab", []),
        ("a", ["b"]),
        ("abc", ["c"]),
        ("ac", []),  # b under another name
        (["a", "unused"], []),  # given up by the source
    ],
)
def test_what_was_really_sent_is_judged_by_what_must_differ(sent, found):
    device = {"name": "foo", "fields": [{"name": name} for name in sent]}
    assert [item.field for item in compare_sent(device, 2, foo(A, B))] == found


def test_a_subsection_is_harmless_unless_a_property_has_it_sent():
    sent = foo(A, subsections=[Description("foo/extra-mode", 1, 1)])
    properties = {"foo": {"extra-mode": PropertyInfo("extra-mode", "bool", True)}}
    assert grades(sent, foo(A)) == [(None, "harmless")]
    assert grades(sent, foo(A), properties=properties) == [(None, "refuses")]
    off = MachineType("pc-1.0", compat=(CompatProperty("foo", "extra-mode", "off"),))
    kept_out = grades(sent, foo(A), properties=properties, machine_types={"pc-1.0": off})
    assert kept_out == [(None, "harmless")]


@cache
def release(name: str) -> Party:
    return Party.read(CATALOGUES / name, "pc-q35-7.2")


def test_real_releases_are_not_accused_of_what_really_migrates():
    alarms, accepted = [], 0
    for case in cases(SELECTION):
        if "flip" in case or not case["accepted"]:
            continue
        source = release(case["source"])
        devices = set(drivers_of(read_snapshot(SELECTION / case["stream"]), source.descriptions))
        bad = [
            item
            for item in check(source, release(case["into"]), devices)
            if item.grade != "harmless"
        ]
        alarms += [(case["id"], bad)] if bad else []
        accepted += 1
    assert len(alarms) <= 0.03 * accepted, alarms


@pytest.mark.parametrize("config", ["nvme", "ipmi"])
def test_what_really_does_not_migrate_is_found(config):
    stream = SELECTION / "streams" / "11.1" / "pc-q35-7.2" / f"{config}.mig.xz"
    findings = check_directories(
        CATALOGUES / "11.1", CATALOGUES / "7.2", "pc-q35-7.2", None, read_snapshot(stream)
    )
    assert any(item.grade == "refuses" and config in item.section for item in findings)
