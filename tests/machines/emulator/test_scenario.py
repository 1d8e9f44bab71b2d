"""The founding scenario: linear versions corrupt silently, a section per feature does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from machines.emulator.machine import Side, TrialResult, trial
from machines.emulator.qdev import Global
from machines.emulator.scenario import downstream, upstream


def run(*sides: Side) -> TrialResult:
    return trial(sides, ["foo"], seed=7)


def test_linear_versions_corrupt_silently() -> None:
    result = run(upstream("linear", "2.0", "board-2.0"), downstream("linear", "board-2.0"))
    assert result.outcome == "corrupt"
    assert (result.section, result.field, result.kind) == ("foo", "d", "layout")
    assert [(item.field, item.kind, item.feature) for item in result.lost] == [
        ("d", "lost", "foo-d"),
        ("e", "altered", "foo-e"),
    ]
    assert result.trace != result.reference


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_linear_versions_corrupt_in_the_other_direction_too(version: str) -> None:
    result = run(downstream("linear", "board-e"), upstream("linear", version, "board-e"))
    assert result.outcome == "corrupt"
    assert "same version, different layout: e is read as d" in result.reason


def test_linear_versions_refuse_what_is_newer() -> None:
    result = run(upstream("linear", "3.0", "board-e"), downstream("linear", "board-e"))
    assert (result.outcome, result.kind) == ("refused", "version-too-new")
    assert result.reason == "savevm: unsupported version 3 for 'foo' v2"


def test_a_section_per_feature_is_correct_both_ways() -> None:
    there = run(upstream("sections", "3.0", "board-e"), downstream("sections", "board-e"))
    back = run(downstream("sections", "board-e"), upstream("sections", "3.0", "board-e"))
    assert there.outcome == back.outcome == "correct"
    assert there.trace == there.reference
    assert there.lost == ()


def test_a_section_per_feature_refuses_an_unknown_feature_by_name() -> None:
    result = run(upstream("sections", "2.0", "board-2.0"), downstream("sections", "board-2.0"))
    assert (result.outcome, result.kind, result.section) == ("refused", "unknown-section", "foo.d")


def test_leaving_out_a_feature_needs_permission() -> None:
    source = replace(
        upstream("sections", "2.0", "board-2.0"),
        savevm_versions={("foo", "foo/foo.d"): (0, False)},
    )
    target = downstream("sections", "board-2.0")
    assert run(source, target).outcome == "corrupt"
    relaxed = trial([source, target], ["foo"], 7, {("foo", "foo/foo.d"): frozenset({0})})
    assert relaxed.outcome == "degraded"
    assert [(item.section, item.field) for item in relaxed.lost] == [("foo.d", "d")]
    assert relaxed.lost[0].allowed_by == "relaxed bit 0 of foo.d"


def test_a_blacklisted_absence_is_refused_by_either_side() -> None:
    forbid = Global("foo", "vmstate-blacklist-d", "0x1", "policy")
    source = replace(
        upstream("sections", "2.0", "board-2.0"), savevm_versions={("foo", "foo.d"): (0, False)}
    )
    strict_source = replace(source, globals=(forbid,))
    target = upstream("sections", "3.0", "board-2.0")
    for sides in ((strict_source, target), (source, replace(target, globals=(forbid,)))):
        result = run(*sides)
        assert (result.outcome, result.kind, result.section) == ("refused", "blacklisted", "foo.d")


def test_a_chain_passes_through_both_trees() -> None:
    result = run(
        downstream("sections", "board-e"),
        upstream("sections", "3.0", "board-e"),
        downstream("sections", "board-e"),
    )
    assert result.outcome == "correct"
    assert [hop.outcome for hop in result.hops] == ["correct", "correct"]
