"""``lockstep change edit``: a list of operations from a file, tried or made all or none."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_world import MACHINES, World

Run = Callable[..., tuple[int, str, str]]
SPEED = {"driver": "foo", "property": "speed"}


def changed(value: str) -> dict[str, Any]:
    return {"op": "change-entry", "machine_type": MACHINES[0], **SPEED, "value": value}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], str]:
    """``write(operations)``: the name of a file with them."""

    def written(document: Any) -> str:
        file = tmp_path / "operations.json"
        file.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(file)

    return written


def test_operations_of_a_file_are_made(world: World, run: Run, write: Any) -> None:
    edit = ("change", "edit", str(world.change().pk))
    status, out, err = run(world.maintainer, *edit, write([changed("6")]))
    assert (status, err) == (0, "")
    assert "~ foo.speed on pc-q35-down1.2.0: 5 → 6" in out
    told = json.loads(
        run(world.maintainer, *edit, write({"operations": [changed("7")]}), "--json")[1]
    )
    assert (told["lock_version"], told["status"]) == (3, "draft")


def test_a_dry_run_writes_nothing(world: World, run: Run, write: Any) -> None:
    number = str(world.change().pk)
    tried = ("change", "edit", number, "--dry-run")
    status, out, _err = run(world.maintainer, *tried, write([changed("6")]))
    assert (status, out.splitlines()[0]) == (0, "0 change-entry: can be made")
    status, out, _err = run(world.reviewer, *tried, write([changed("6"), changed("fast")]))
    assert status == 1
    assert "1 change-entry: value: " in out
    assert run(world.maintainer, "diff", "--change", number)[0] == 0


def test_every_operation_at_fault_is_named(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = str(world.change().pk)
    given = json.dumps([changed("6"), changed("fast"), {"op": "remove-backport", "feature": "x"}])
    monkeypatch.setattr(sys, "stdin", io.StringIO(given))
    status, _out, err = run(world.maintainer, "change", "edit", number, "-")
    assert status == 2
    assert "operation 1, value: " in err
    assert "operation 2, feature: " in err
    assert run(world.maintainer, "diff", "--change", number)[0] == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[{]", "line 1, column 3: "),
        ("5", "not a list of operations"),
        ("[" * 100_000, "nests too deep"),
        ("[5]", "operations"),
    ],
)
def test_what_is_no_list_is_refused(
    world: World, run: Run, write: Any, text: str, problem: str
) -> None:
    edit = ("change", "edit", str(world.change().pk))
    status, _out, err = run(world.maintainer, *edit, write(text))
    assert status == 2
    assert problem in err


def test_what_others_changed_is_settled(world: World, run: Run, write: Any) -> None:
    change = world.change()
    edit = ("change", "edit", str(change.pk), write([changed("6")]), "--version", "1")
    world.edit(change, world.maintainer, "9")
    status, _out, err = run(world.maintainer, *edit)
    assert status == 2
    assert "was '5', mine '6', theirs '9'" in err
    path = next(line for line in err.splitlines() if ": was " in line).split(": was ")[0].strip()
    assert run(world.maintainer, *edit, "--choose", path, "both")[0] == 2
    against = ("--against", "2", "--choose", path)
    status, out, err = run(world.maintainer, *edit, *against, "=8")
    assert (status, err) == (0, "")
    assert "9 → 8" in out
