"""Verdicts agree with real QEMU's: on the committed selection always, on all where present."""

from functools import cache
from pathlib import Path

import pytest
from real_streams import CATALOGUES, SELECTION, SHARED, cases

from machines.emulator.release import Release
from machines.emulator.replay import trial
from machines.emulator.snapshot import read_snapshot

ROOTS = [SELECTION, *([SHARED] if (SHARED / "cases.jsonl").is_file() else [])]
NAMELESS = {"ramblock", "machine-type", "unmigratable"}  # QEMU names no section then


@cache
def release(path: Path) -> Release:
    return Release(path)


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.parts[-2])
def test_verdicts_are_those_of_real_qemu(root):
    snapshot = cache(read_snapshot)
    missed, alarms, misnamed = [], [], []
    total = {True: 0, False: 0}
    for case in cases(root):
        verdict = trial(
            snapshot(root / case["stream"]),
            release(CATALOGUES / case["into"]),
            snapshot(root / case["profile"]) if case["profile"] else None,
        )
        total[case["accepted"]] += 1
        if case["accepted"] and verdict.outcome == "refused":
            alarms.append((case["id"], verdict))
        elif not case["accepted"] and verdict.outcome == "accepted":
            missed.append((case["id"], case["error"]))
        elif not case["accepted"]:
            section = (verdict.section or "").split("/")[-1]
            if section not in case["error"] and verdict.kind not in NAMELESS:
                misnamed.append((case["id"], verdict))
    assert total[True] > 100
    assert total[False] > 30
    assert len(missed) <= 0.05 * total[False], missed
    assert len(alarms) <= 0.005 * total[True], alarms
    assert not misnamed
