"""The migration matrix of a tree: how each declared pair of releases stands, by machine type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from machines.emulator.memo import Same
from machines.looks import once_a_look
from machines.models import Tree
from policy import state
from policy.document import Policy
from policy.models import ChangeRequest, Trial
from policy.review import checking
from policy.review.checking import CheckedTrial
from policy.trials import needed
from policy.trials.needed import Requirement

Pair = tuple[str, str]

#: How a required trial stands, the worst first, then its outcome.
_STANDINGS = ("could-not-run", "differs", "running", "not-run", "waived", "passed")
_OUTCOMES = ("corrupt", "refused", "degraded", "correct", "")


@dataclass(frozen=True, slots=True)
class Matrix:
    """The declared migrations of a tree, for one machine type or (empty) for all of them.

    ``cells`` maps (source, destination) to the trials that a policy requires for it, the worst
    first; for one machine type that is one.
    """

    machine_type: str
    labels: tuple[str, ...]
    cells: Mapping[Pair, tuple[CheckedTrial, ...]]


def matrix(tree: Tree, machine_type: str, change: ChangeRequest | None = None) -> Matrix:
    """How the migrations between the tree's releases stand; with the change's draft in the place
    of what its release has published, in promises of its own and of others.

    One query for the trials of all policies.
    """
    policies = list(decided(tree, change))
    cells: dict[Pair, dict[str, CheckedTrial]] = {}
    draft = change.policy if change is not None else None
    for checked in _checked(policies, machine_type, draft):
        for item in checked:
            want = item.requirement.required
            if machine_type in ("", want.machine_type):
                # Where two policies declare the same, the newer release's is the one that counts.
                pair = cells.setdefault((want.source, want.destination), {})
                pair[want.machine_type] = item
    labels = [policy.label for policy in policies]
    partners = {label for pair in cells for label in pair}
    listed = {pair: tuple(sorted(items.values(), key=badness)) for pair, items in cells.items()}
    return Matrix(machine_type, (*sorted(partners - set(labels)), *labels), listed)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which trials are asked for: a policy's, of a machine type, with a draft that concerns it."""

    policy: Same[Policy]
    machine_type: str
    draft: Same[Policy] | None

    def requirements(self) -> tuple[Requirement, ...]:
        draft = self.draft.object if self.draft is not None else None
        return needed.planned(self.policy.object, self.machine_type, draft)


def _checked(
    policies: Sequence[Policy], machine_type: str, draft: Policy | None
) -> list[list[CheckedTrial]]:
    """The trials of each policy; what the same page has asked before is not asked again, so that a
    draft's matrix beside the published one costs but the policies that it concerns.
    """
    known = _checked_before()
    asked = [
        _Plan(
            Same(policy),
            machine_type,
            Same(draft) if draft and needed.is_promised(policy, draft.label) else None,
        )
        for policy in policies
    ]
    plans = {plan: plan.requirements() for plan in asked if plan not in known}
    held = iter(needed.with_trials([item for found in plans.values() for item in found]))
    for plan, found in plans.items():
        listed = islice(held, len(found))
        known[plan] = checking.checked(plan.policy.object, listed, checking.today())
    return [known[plan] for plan in asked]


@once_a_look
def _checked_before() -> dict[_Plan, list[CheckedTrial]]:
    return {}


def badness(item: CheckedTrial) -> tuple[int, int]:
    """The order of the worst: a corrupt one that could not be promised before all others."""
    trial = item.requirement.trial
    ended = trial is not None and trial.state == Trial.State.DONE
    outcome = trial.outcome if trial is not None and ended else ""
    if outcome == "corrupt":
        return -1, 0
    return _STANDINGS.index(item.outcome), _OUTCOMES.index(outcome)


def concerned(found: Iterable[CheckedTrial]) -> dict[int, frozenset[str]]:
    """Trial → the devices that were refused or lost state in it; one query for all of them."""
    keys = [
        trial.pk
        for item in found
        if (trial := item.requirement.trial) is not None and trial.outcome not in ("", "correct")
    ]
    rows = Trial.objects.filter(pk__in=keys).values_list("pk", "result__hops", "result__lost")
    return {pk: frozenset(_devices(hops or [], lost or [])) for pk, hops, lost in rows}


def _devices(
    hops: Iterable[Mapping[str, object]], lost: Iterable[Mapping[str, object]]
) -> set[str]:
    problems = [problem for hop in hops for problem in _listed(hop.get("problems"))]
    return {str(item.get("device", "")) for item in (*problems, *lost)} - {""}


def _listed(value: object) -> list[Mapping[str, object]]:
    return value if isinstance(value, list) else []


def decided(tree: Tree, change: ChangeRequest | None) -> Iterator[Policy]:
    """The policies of the tree's releases, the oldest first: what is published of each, or the
    change's draft for its own.
    """
    for release in tree.releases.order_by("sort_key"):
        if change is not None and change.release_id == release.pk:
            yield change.policy
        elif (revision := state.newest_revision(release)) is not None:
            yield state.policy_of(revision)


@dataclass(frozen=True, slots=True)
class Choices:
    """The machine types of a tree's policies: those on which a migration is tried, and others."""

    tried: tuple[str, ...]
    untried: tuple[str, ...]


def machine_types(tree: Tree, change: ChangeRequest | None = None) -> Choices:
    """The machine types that a matrix of the tree can be asked for."""
    policies = list(decided(tree, change))[::-1]
    names = dict.fromkeys(item.name for policy in policies for item in policy.machine_types)
    tried = {name for policy in policies for name in needed.tried_machine_types(policy)}
    return Choices(
        tuple(name for name in names if name in tried),
        tuple(name for name in names if name not in tried),
    )
