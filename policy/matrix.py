"""The migration matrix of a tree: how each declared pair of releases stands, by machine type."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from machines.models import Release, Tree
from policy import state, trials
from policy.document import Policy
from policy.models import ChangeRequest
from policy.trials import Requirement


@dataclass(frozen=True, slots=True)
class Matrix:
    """The declared migrations of a tree for one machine type.

    ``cells`` maps (source, destination) to the requirement that a policy declares for it.
    """

    machine_type: str
    labels: tuple[str, ...]
    cells: Mapping[tuple[str, str], Requirement]

    def rows(self) -> list[tuple[str, list[Requirement | None]]]:
        """For a page: each source with its cells in the order of ``labels``."""
        return [
            (source, [self.cells.get((source, destination)) for destination in self.labels])
            for source in self.labels
        ]


def matrix(tree: Tree, machine_type: str, change: ChangeRequest | None = None) -> Matrix:
    """How the migrations between the tree's releases stand, with the change's draft for its own."""
    labels: list[str] = []
    cells: dict[tuple[str, str], Requirement] = {}
    for policy in _policies(tree.releases.order_by("sort_key"), change):
        labels.append(policy.label)
        for item in trials.requirements_of(policy, machine_type):
            if item.required.machine_type == machine_type:
                cells[item.required.source, item.required.destination] = item
    partners = {label for pair in cells for label in pair}
    return Matrix(machine_type, (*sorted(partners - set(labels)), *labels), cells)


def _policies(releases: Iterable[Release], change: ChangeRequest | None) -> Iterable[Policy]:
    for release in releases:
        if change is not None and change.release_id == release.pk:
            yield change.policy
        elif (revision := state.newest_revision(release)) is not None:
            yield state.policy_of(revision)


def machine_types(tree: Tree, change: ChangeRequest | None = None) -> Collection[str]:
    """The machine types that a matrix of the tree can be asked for."""
    policies = _policies(tree.releases.order_by("-sort_key"), change)
    return tuple(dict.fromkeys(item.name for policy in policies for item in policy.machine_types))
