"""A release as its C sources would have it: what differs from its policy, and what the rules say.

A downstream's compat arrays live in its patches. Before a patch is taken, what it changes of them
is laid over the policy here, and the rules are asked about that: nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from machines import parsing
from machines.catalogue import effective_catalogue
from machines.confined import Limits
from machines.emulator.catalogue import Catalogue, CatalogueError, CompatProperty
from machines.emulator.catalogue.composition import compose
from machines.models import Release
from policy import state
from policy.document import Policy
from policy.document.differences import Difference, compare
from policy.document.merging import merge
from policy.errors import Invalid
from policy.models import ChangeRequest
from policy.review import examining
from policy.review.checking import today
from policy.review.examining import CheckedFinding
from policy.rules.seeding import chained

Arrays = Mapping[str, tuple[CompatProperty, ...]]


#: Somebody waits for the answer: a few sources, not all of QEMU's.
_LIMITS = Limits(memory=512 * 2**20, cpu_seconds=10, wall_seconds=20)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What the sources would change of the policy, and each finding with whether it is new."""

    differences: tuple[Difference, ...]
    findings: tuple[tuple[CheckedFinding, bool], ...]


def foreseen(
    release: Release, sources: Mapping[str, bytes], change: ChangeRequest | None = None
) -> Foreseen:
    """What the rules would say of ``release`` with the arrays of these sources, by file name.

    Compared with what is published, or with the draft of ``change``. Arrays that the sources do
    not have are the release's own. Raises :class:`Invalid` (with file and line), and NoCatalogue.
    """
    found = state.published(release) if change is None else state.draft(change)
    if found.policy is None:
        raise Invalid("The release has no policy: open a change request on it first.")
    own, _source = effective_catalogue(release)
    given = _arrays(sources)
    wanted = with_arrays(found.policy, own.arrays, {**own.arrays, **given})
    known = {item.digest for item in examining.examined(found.policy, release)}
    findings = examining.checked(wanted, examining.examined(wanted, release), today())
    return Foreseen(
        compare(found.policy, wanted),
        tuple((item, item.finding.digest not in known) for item in findings),
    )


def with_arrays(policy: Policy, before: Arrays, after: Arrays) -> Policy:
    """The policy with what differs between the machine types of these and those arrays.

    What it decided besides stays; where both speak of the same, the later arrays hold.
    """
    names = [
        item.name
        for item in policy.machine_types
        if compose(item.name, before) or compose(item.name, after)
    ]
    was, would_be = (recomposed(policy, names, arrays) for arrays in (before, after))
    return merge(was, would_be, policy).policy


def recomposed(policy: Policy, names: Collection[str], arrays: Arrays) -> Policy:
    """The policy with the machine types of these names as the arrays tell them."""
    told = Catalogue(policy.label, arrays=arrays)
    made = {item.name: item for item in chained(told, names)}
    return replace(
        policy,
        machine_types=tuple(
            replace(item, parent=made[item.name].parent, entries=made[item.name].entries)
            if item.name in made
            else item
            for item in policy.machine_types
        ),
    )


def _arrays(sources: Mapping[str, bytes]) -> Arrays:
    for name in sources:
        if parsing.role_of(name) != "c":
            raise Invalid(f"{name} is no C source and no patch.", field="sources")
    try:
        return parsing.parse(sources, _LIMITS).arrays
    except CatalogueError as error:
        raise Invalid(str(error), field="sources") from error
