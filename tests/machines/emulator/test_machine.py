"""Model trials: verdicts of machines built from catalogues alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)
from machines.emulator.features import Carrier, FeatureSpec, Gate
from machines.emulator.machine import TrialResult, trial
from machines.emulator.qdev import Global
from machines.emulator.side import Side, TrialError

SAMPLE = Path(__file__).resolve().parents[3] / "machines" / "sample" / "qemu"
BASE = (Field("a", 4), Field("b", 2))
D = FeatureSpec("foo-d", "D", "foo", (Carrier("foo", 2, ("d",)),), Gate("foo", "d", "on"))


def catalogue(*descriptions: Description, gate_default: object = True) -> Catalogue:
    return Catalogue(
        "1.0",
        types={"foo": "device", "device": None},
        descriptions={description.name: description for description in descriptions},
        properties={"foo": {"d": PropertyInfo("d", "bool", gate_default)}},
        machine_types={"board": MachineType("board"), "old": MachineType("old")},
    )


OLD = catalogue(Description("foo", 1, 1, BASE))
NEW = catalogue(Description("foo", 2, 1, (*BASE, Field("d", 4, version_id=2))))


def side(
    label: str, where: Catalogue, *entries: Global, features: tuple[FeatureSpec, ...] = ()
) -> Side:
    return Side(label, where, "board", tuple(entries), features)


def run(source: Side, destination: Side, seed: int = 1) -> TrialResult:
    return trial([source, destination], ["foo"], seed)


def told(where: Side, version: int, force: bool) -> Side:
    return replace(where, savevm_versions={("foo", None): (version, force)})


# --- Versions, blacklists, force ------------------------------------------------------------------


def test_bit_0_of_a_subsection_of_version_0_forbids_its_absence_alone() -> None:
    # As tpm-crb/chunk of QEMU 11.1: present, it is of version 0.
    part = Description("foo/e", 0, 0, (Field("e", 4),))
    where = catalogue(Description("foo", 1, 1, BASE, (part,)))
    feature = FeatureSpec("foo-e", "E", "foo", (Carrier("foo/foo/e", subsection=True),))
    forbidden = Global("foo", "vmstate-blacklist-e", "0x1", "policy", "test")
    new = side("new", where, forbidden, features=(feature,))
    assert run(new, new).outcome == "correct"
    left_out = replace(new, savevm_versions={("foo", "foo/e"): (0, False)})
    refused = run(left_out, new)
    assert refused.outcome == "refused"
    assert "absence of 'foo/e' is blacklisted" in refused.reason
    without = side("old", OLD)
    assert "absent, and its absence is blacklisted" in run(without, new).reason


def test_forward_is_correct_backward_is_refused() -> None:
    old, new = side("old", OLD), side("new", NEW, features=(D,))
    assert run(old, new).outcome == "correct"
    backward = run(new, old)
    assert backward.outcome == "refused"
    assert backward.reason == "savevm: unsupported version 2 for 'foo' v1"


def test_a_lower_version_is_correct_while_the_feature_is_off() -> None:
    off = Global("foo", "d", "off", "compat", "board")
    source = told(side("new", NEW, off, features=(D,)), 1, False)
    assert run(source, side("old", OLD)).outcome == "correct"


def test_a_lower_version_loses_the_feature_that_is_on() -> None:
    source = told(side("new", NEW, features=(D,)), 1, False)
    result = run(source, side("old", OLD))
    assert (result.outcome, result.section, result.field) == ("corrupt", "foo", "d")
    assert result.lost[0].feature == "foo-d"


def test_a_relaxed_bit_makes_the_loss_degraded() -> None:
    source = told(side("new", NEW, features=(D,)), 1, False)
    relaxed: Mapping[tuple[str, str | None], frozenset[int]] = {("foo", "foo"): frozenset({1})}
    result = trial([source, side("old", OLD)], ["foo"], 1, relaxed)
    assert result.outcome == "degraded"
    assert [(item.field, item.allowed_by) for item in result.lost] == [
        ("d", "relaxed bit 1 of foo")
    ]


def test_another_relaxed_bit_allows_nothing() -> None:
    source = told(side("new", NEW, features=(D,)), 1, False)
    result = trial([source, side("old", OLD)], ["foo"], 1, {("foo", None): frozenset({2, 0})})
    assert result.outcome == "corrupt"


def test_the_source_refuses_a_blacklisted_version_unless_forced() -> None:
    forbid = Global("foo", "vmstate-blacklist", "0x2", "policy", "the default")
    source = side("new", NEW, forbid, features=(D,))
    refused = run(told(source, 1, False), side("old", OLD))
    assert (refused.outcome, refused.kind, refused.forced) == ("refused", "blacklisted", ())
    forced = run(told(source, 1, True), side("old", OLD))
    assert forced.outcome == "degraded"
    assert forced.lost[0].allowed_by == "forced version 1 of foo"
    assert len(forced.forced) == 1


def test_the_source_refuses_a_version_out_of_range() -> None:
    result = run(told(side("new", NEW), 3, False), side("new", NEW))
    assert (result.outcome, result.kind) == ("refused", "version-out-of-range")


def test_the_destination_refuses_a_blacklisted_version() -> None:
    forbid = Global("device", "vmstate-blacklist", "1", "user")
    result = run(side("old", OLD), side("new", NEW, forbid))
    assert (result.outcome, result.kind) == ("refused", "blacklisted")
    assert result.hops[0].problems[0].side == "new"


def test_the_users_bitmap_overrides_the_policys() -> None:
    forbid = Global("foo", "vmstate-blacklist", "0x2", "policy")
    allow = Global("foo", "vmstate-blacklist", "0x0", "user")
    assert run(side("old", OLD), side("new", NEW, forbid)).outcome == "refused"
    assert run(side("old", OLD), side("new", NEW, allow, forbid)).outcome == "correct"


def test_a_malformed_bitmap_is_the_callers_fault() -> None:
    with pytest.raises(TrialError, match="vmstate-blacklist"):
        run(side("old", OLD), side("new", NEW, Global("foo", "vmstate-blacklist", "x", "user")))


def test_a_section_too_old_is_refused() -> None:
    strict = catalogue(Description("foo", 2, 2, (*BASE, Field("d", 4, version_id=2))))
    result = run(side("old", OLD), side("new", strict))
    assert (result.outcome, result.kind) == ("refused", "version-too-old")


# --- Layouts --------------------------------------------------------------------------------------


def other(*fields: Field) -> Side:
    return side("other", catalogue(Description("foo", 1, 1, fields)))


def test_same_version_and_length_with_another_layout_is_corrupt() -> None:
    result = run(side("old", OLD), other(Field("a", 2), Field("x", 4)))
    assert (result.outcome, result.kind) == ("corrupt", "layout")


def test_fields_that_changed_places_are_corrupt() -> None:
    first = other(Field("a", 4), Field("b", 4))
    result = run(first, other(Field("b", 4), Field("a", 4)))
    assert result.outcome == "corrupt"
    assert {item.field for item in result.lost} == {"a", "b"}


@pytest.mark.parametrize("fields", [BASE[:1], (*BASE, Field("x", 1))])
def test_another_length_misses_the_footer(fields: tuple[Field, ...]) -> None:
    result = run(side("old", OLD), other(*fields))
    assert (result.outcome, result.kind) == ("refused", "layout")
    assert result.reason == "Missing section footer for foo"
    assert result.field == ("b" if len(fields) == 1 else "x")


def test_a_rename_that_keeps_the_words_keeps_the_state() -> None:
    first = other(Field("ti_cmd", 1), Field("b", 2))
    assert run(first, other(Field("mig_ti_cmd", 1), Field("b", 2))).outcome == "correct"


def test_a_field_given_up_on_purpose_is_an_assumption() -> None:
    result = run(side("old", OLD), other(Field("a", 4), Field("unused", 2)))
    assert result.outcome == "correct"
    assert any("gave up b on purpose" in text for text in result.assumptions)


def test_giving_up_a_recorded_features_field_is_corrupt() -> None:
    spec = FeatureSpec("foo-b", "B", "foo", (Carrier("foo", None, ("b",)),))
    result = run(side("old", OLD, features=(spec,)), other(Field("a", 4), Field("unused", 2)))
    assert (result.outcome, result.lost[0].feature) == ("corrupt", "foo-b")


def test_a_gate_on_a_conditional_field_decides_its_presence() -> None:
    timed = catalogue(Description("foo", 1, 1, (*BASE, Field("t", 8, conditional=True))))
    spec = FeatureSpec("t", "T", "foo", (Carrier("foo", None, ("t",)),), Gate("foo", "d", "on"))
    off = side("new", timed, Global("foo", "d", "off", "compat"), features=(spec,))
    on = side("new", timed, features=(spec,))
    assert run(off, side("old", OLD)).outcome == "correct"
    refused = run(on, side("old", OLD))
    assert (refused.outcome, refused.field) == ("refused", "t")
    assert run(on, on).outcome == "correct"


# --- Subsections ----------------------------------------------------------------------------------

EXTRA = Description("foo/extra", 1, 1, (Field("x", 4),))


def test_unrecorded_state_in_a_subsection_that_one_side_lacks_is_not_used() -> None:
    with_extra = catalogue(Description("foo", 1, 1, BASE, (EXTRA,)))
    for seed in range(8):
        assert run(side("new", with_extra), side("old", OLD), seed).outcome == "correct"


def test_unrecorded_state_in_a_common_subsection_travels_by_the_seed() -> None:
    both = side("both", catalogue(Description("foo", 1, 1, BASE, (EXTRA,))))
    results = [run(both, both, seed) for seed in range(16)]
    assert {result.outcome for result in results} == {"correct"}
    assert len({result.stream_bytes for result in results}) == 2


def test_a_recorded_subsection_always_travels_while_enabled() -> None:
    spec = FeatureSpec("x", "X", "foo", (Carrier("foo/extra", subsection=True),))
    where = catalogue(Description("foo", 1, 1, BASE, (EXTRA,)))
    result = run(side("new", where, features=(spec,)), side("old", OLD))
    assert (result.outcome, result.section) == ("refused", "foo/extra")


def test_elements_of_an_array_keep_their_subsections_apart() -> None:
    drive = Description(
        "drive", 1, 1, (Field("x", 1),), (Description("drive/m", 1, 1, (Field("m", 1),)),)
    )
    board = side(
        "x", catalogue(Description("foo", 1, 1, (Field("drives", 8, count=2, struct=drive),)))
    )
    assert {run(board, board, seed).outcome for seed in range(8)} == {"correct"}


def test_two_subsections_of_one_name_fail_as_they_do_in_qemu() -> None:
    twice = (EXTRA, Description("foo/extra", 1, 1, (Field("y", 8),)))
    both = side("both", catalogue(Description("foo", 1, 1, BASE, twice)))
    results = {(result.reason, result.field) for result in (run(both, both, s) for s in range(32))}
    assert results == {("", ""), ("Missing section footer for foo", "foo/foo/extra#2")}


def test_a_second_subsection_of_one_name_and_length_is_read_into_the_first() -> None:
    twice = (EXTRA, Description("foo/extra", 1, 1, (Field("y", 4),)))
    both = side("both", catalogue(Description("foo", 1, 1, BASE, twice)))
    results = [run(both, both, seed) for seed in range(16)]
    assert {result.outcome for result in results} == {"correct", "corrupt"}
    corrupt = next(result for result in results if result.outcome == "corrupt")
    assert ("y", "lost") in {(item.field, item.kind) for item in corrupt.lost}


# --- Machines -------------------------------------------------------------------------------------


def test_different_machine_types_are_refused() -> None:
    result = run(side("old", OLD), replace(side("new", NEW), machine_type="old"))
    assert result.kind == "machine-type"
    assert result.reason == "Machine type received is 'board' and local is 'old'"


def test_a_driver_that_a_side_lacks_is_refused() -> None:
    result = trial([side("old", OLD), side("new", NEW)], ["bar"], 1)
    assert (result.outcome, result.kind) == ("refused", "unknown-device")


def test_a_device_without_state_needs_none() -> None:
    bare = Catalogue("1.0", types={"foo": None})
    result = run(side("old", bare), side("new", bare))
    assert (result.outcome, result.sections) == ("correct", 0)
    assert any("describes no state" in text for text in result.assumptions)


def test_compat_properties_of_the_catalogues_machine_type_apply() -> None:
    machine = MachineType("board", compat=(CompatProperty("foo", "d", "off"),))
    where = replace(NEW, machine_types={"board": machine})
    source = told(Side("new", where, "board", (), (D,)), 1, False)
    assert run(source, side("old", OLD)).outcome == "correct"
    policys_own = replace(source, globals=(Global("foo", "d", "on", "compat"),))
    assert run(policys_own, side("old", OLD)).outcome == "corrupt"


def test_a_chain_ends_where_it_is_refused() -> None:
    result = trial([side("old", OLD), side("new", NEW), side("old", OLD)], ["foo"], 1)
    assert [hop.outcome for hop in result.hops] == ["correct", "refused"]
    assert result.outcome == "refused"


@pytest.mark.parametrize("count", [0, 1, 17])
def test_a_trial_has_two_sides_or_a_chain(count: int) -> None:
    with pytest.raises(TrialError):
        trial([side("old", OLD)] * count, ["foo"], 1)


def test_the_same_input_gives_the_same_result_as_plain_json() -> None:
    source = told(side("new", NEW, features=(D,)), 1, True)
    first, second = run(source, side("old", OLD)), run(source, side("old", OLD))
    assert first == second
    assert json.loads(json.dumps(first.to_json())) == first.to_json()
    assert first.to_json()["lost"][0]["field"] == "d"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 4)), min_size=1, max_size=5),
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 4)), min_size=1, max_size=5),
    st.integers(0, 3),
)
def test_correct_means_that_the_guest_saw_no_difference(
    left: list[tuple[str, int]], right: list[tuple[str, int]], seed: int
) -> None:
    first, second = dict(left), dict(right)
    source = other(*(Field(name, size) for name, size in first.items()))
    target = other(*(Field(name, size) for name, size in second.items()))
    result = run(source, target, seed)
    assert (result.outcome == "correct") == (list(first.items()) == list(second.items()))
    if result.outcome != "refused":
        assert sum(first.values()) == sum(second.values())
        assert (result.trace == result.reference) == (result.outcome == "correct")


# --- Whatever is described ------------------------------------------------------------------------

random_fields = st.lists(
    st.builds(
        Field,
        name=st.sampled_from(["a", "b", "mig_a", "unused"]),
        size=st.integers(0, 4),
        version_id=st.integers(0, 2),
        count=st.none() | st.integers(0, 3),
        conditional=st.booleans(),
    ),
    max_size=4,
).map(tuple)
random_leaf = st.builds(
    Description,
    st.sampled_from(["foo/x", "foo/y"]),
    st.integers(0, 2),
    st.integers(0, 2),
    random_fields,
)
random_description = st.builds(
    Description,
    st.just("foo"),
    st.integers(0, 3),
    st.integers(0, 3),
    random_fields,
    st.lists(random_leaf, max_size=2, unique_by=lambda item: item.name).map(tuple),
)
random_features = st.lists(
    st.builds(
        FeatureSpec,
        st.sampled_from(["f", "g"]),
        st.just("F"),
        st.sampled_from(["foo", "device"]),
        st.builds(
            Carrier,
            st.sampled_from(["foo", "foo/x", "foo/foo/y"]),
            st.none() | st.integers(0, 3),
            st.just(()) | st.sampled_from([("a",), ("b", "mig_a")]),
            st.booleans(),
        ).map(lambda carrier: (carrier,)),
        st.none() | st.builds(Gate, st.just("foo"), st.just("d"), st.sampled_from(["on", "off"])),
    ),
    max_size=2,
).map(tuple)
sections = st.sampled_from([None, "foo", "foo/x", "foo/foo/y"])
random_sides = st.builds(
    Side,
    st.sampled_from(["here", "there"]),
    random_description.map(catalogue),
    st.just("board"),
    st.lists(
        st.builds(
            Global,
            st.just("foo"),
            st.sampled_from(["vmstate-blacklist", "vmstate-blacklist-x", "d"]),
            st.sampled_from(["0", "1", "0x3", "0-2"]),
            st.sampled_from(["policy", "user"]),
        ),
        max_size=2,
    ).map(tuple),
    random_features,
    st.dictionaries(
        st.tuples(st.just("foo"), sections), st.tuples(st.integers(0, 4), st.booleans()), max_size=2
    ),
)
relaxations = st.dictionaries(
    st.tuples(st.just("foo"), sections), st.frozensets(st.integers(0, 3)), max_size=2
)


@settings(max_examples=100, deadline=None)
@given(st.lists(random_sides, min_size=2, max_size=3), st.integers(0, 3), relaxations)
def test_every_trial_has_a_verdict_that_its_details_support(
    sides: list[Side], seed: int, relaxed: dict[tuple[str, str | None], frozenset[int]]
) -> None:
    result = trial(sides, ["foo", "foo"], seed, relaxed)
    unexcused = [item for item in result.lost if not item.allowed_by]
    if result.outcome == "correct":
        assert (result.lost, result.trace) == ((), result.reference)
    elif result.outcome == "degraded":
        assert result.lost
        assert not unexcused
    elif result.outcome == "corrupt":
        assert unexcused
    else:
        assert result.hops[-1].problems[0].reason == result.reason
    assert bool(result.kind) == (result.outcome != "correct")
