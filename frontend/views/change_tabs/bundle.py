"""The tab of the bundle: what its files would change."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from machines.catalogue import NoCatalogue
from machines.emulator.catalogue import CompatProperty
from policy import rules, state
from policy.differences import Difference
from policy.document import Policy
from policy.errors import PolicyError
from policy.exporters import ExportError
from policy.exporters import globals as arguments
from policy.models import ChangeRequest

MAX_DIFF_LINES = 400


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a text difference; ``kind`` is added, removed, place or same."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ExportDifference:
    """What changes in one machine type's exported property set."""

    machine_type: str
    lines: list[DiffLine]
    added: int
    removed: int
    hidden: int


def context(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    try:
        before, after = _exported_before(change), _exported(change.policy)
    except (NoCatalogue, PolicyError, ExportError) as error:
        return {"exports": [], "unchanged": 0, "problem": str(error)}
    names = [item.name for item in change.policy.machine_types]
    names += [name for name in before if name not in names]
    exports = [
        text_difference(name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name) != after.get(name)
    ]
    return {"exports": exports, "unchanged": len(names) - len(exports)}


def _exported_before(change: ChangeRequest) -> dict[str, str]:
    """Each machine type's ``globals.args`` in what the change starts from."""
    if change.base_revision is None:
        return _exported(state.baseline(change))
    derived = json.loads(change.base_revision.content)["derived"]
    return {
        name: arguments.export(
            name,
            [CompatProperty(item["driver"], item["property"], item["value"]) for item in listed],
        )
        for name, listed in derived.get("properties", {}).items()
    }


def _exported(policy: Policy) -> dict[str, str]:
    """Each machine type's ``globals.args`` as this policy would export it."""
    found = state.of_policy(policy)
    return {
        item.name: arguments.export(
            item.name, rules.resolved_properties(policy, found.catalogue, item.name)
        )
        for item in policy.machine_types
    }


def text_difference(name: str, before: str, after: str) -> ExportDifference:
    """A unified difference of two texts, cut where it is long."""
    compared = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    )[2:]
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = [
        DiffLine(kinds.get(line[:1], "same"), line if line[:1] == "@" else f"{line[:1]} {line[1:]}")
        for line in compared
    ]
    return ExportDifference(
        name,
        lines[:MAX_DIFF_LINES],
        sum(line.kind == "added" for line in lines),
        sum(line.kind == "removed" for line in lines),
        len(lines[MAX_DIFF_LINES:]),
    )
