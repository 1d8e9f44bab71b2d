"""Proposals carried out: the policy as it would be. Pure.

What :func:`applied` gives has no longer the finding that proposed it, which is tested for every
rule. People see it as a difference first, and save it as an edit like any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from machines.emulator.features import Carrier
from policy.document import Backport, Graft, Migration, Mitigation, Policy
from policy.findings.finding import Proposal

_T = TypeVar("_T")


class NotApplicable(ValueError):
    """The policy cannot be changed so; the text says why."""


def applied(policy: Policy, proposal: Proposal) -> Policy:
    """The policy with the proposed change. Raises :class:`NotApplicable`."""
    return _ACTIONS[proposal.action](policy, proposal)


def _add_entries(policy: Policy, proposal: Proposal) -> Policy:
    names = set(proposal.machine_types)
    for name in proposal.machine_types:
        found = policy.machine_type(name)
        if found is None:
            raise NotApplicable(f"The policy of {policy.label} does not decide {name}.")
        above = {item.name for item in policy.lineage(name)} - {name}
        if not above & names:
            changed = replace(found, entries=(*found.entries, *proposal.entries))
            policy = policy.with_machine_type(changed)
    return policy


def _remove_entry(policy: Policy, proposal: Proposal) -> Policy:
    found = policy.machine_type(proposal.machine_types[0])
    listed = found.entries if found is not None else ()
    there = tuple(listed[at] for at in proposal.positions if at < len(listed))
    if found is None or there != proposal.entries:
        raise NotApplicable("The entry is no longer there.")
    return policy.with_machine_type(replace(found, entries=_without(listed, proposal.positions)))


def _without(listed: tuple[_T, ...], positions: tuple[int, ...]) -> tuple[_T, ...]:
    return tuple(item for at, item in enumerate(listed) if at not in positions)


def _add_mitigation(policy: Policy, proposal: Proposal) -> Policy:
    if proposal.pair is None:
        raise NotApplicable("It names no release where guests were started.")
    started = proposal.pair.source
    added = tuple(
        Mitigation(started, name, proposal.entries, proposal.text, "the guest is powered off")
        for name in proposal.machine_types
    )
    return replace(policy, mitigations=(*policy.mitigations, *added))


def _remove_mitigation(policy: Policy, proposal: Proposal) -> Policy:
    if not all(at < len(policy.mitigations) for at in proposal.positions):
        raise NotApplicable("The mitigation is no longer there.")
    return replace(policy, mitigations=_without(policy.mitigations, proposal.positions))


def _remove_override(policy: Policy, proposal: Proposal) -> Policy:
    listed = policy.overrides
    there = [listed[at].section for at in proposal.positions if at < len(listed)]
    if there != [proposal.section]:
        raise NotApplicable("The override is no longer there.")
    return replace(policy, overrides=_without(listed, proposal.positions))


def _declare_refused(policy: Policy, proposal: Proposal) -> Policy:
    pair = proposal.pair
    if pair is None:
        raise NotApplicable("It names no migration.")
    told = {(pair.source, pair.destination, name) for name in proposal.machine_types}
    kept = tuple(
        item
        for item in policy.migrations
        if (item.source, item.destination, item.machine_type) not in told
    )
    added = tuple(
        Migration(pair.source, pair.destination, "refused", name) for name in proposal.machine_types
    )
    return replace(policy, migrations=(*kept, *added))


def _own_section(policy: Policy, proposal: Proposal) -> Policy:
    slug, section = proposal.device, proposal.section
    if all(item.feature.slug != slug for item in policy.backports):
        raise NotApplicable(f"There is no backport {slug}.")
    return replace(
        policy,
        backports=tuple(
            _apart(item, section) if item.feature.slug == slug else item
            for item in policy.backports
        ),
    )


def _apart(backport: Backport, section: str) -> Backport:
    """The feature's fields out of the section's graft, in a subsection named after the feature."""
    graft = next((item for item in backport.grafts if item.section == section), None)
    if graft is None:
        raise NotApplicable(f"The backport brings no layout of {section}: it is there already.")
    carriers = [item for item in backport.feature.carriers if item.section == section]
    fields = {name for item in carriers for name in item.fields}
    name = f"{graft.description['name']}/{backport.feature.slug.rpartition('-')[2]}"
    moved = [
        {**item, "version_id": 0}
        for item in graft.description.get("Fields", ())
        if item["field"] in fields
    ]
    if not moved:
        raise NotApplicable(f"The backport names no field of {section} as its own.")
    own = Graft(
        f"{section}/{name}",
        {"name": name, "version_id": 1, "minimum_version_id": 1, "Fields": moved},
    )
    kept = tuple(item for item in backport.feature.carriers if item.section != section)
    feature = replace(backport.feature, carriers=(*kept, Carrier(own.section, subsection=True)))
    grafts = tuple(item for item in backport.grafts if item.section != section)
    return replace(backport, feature=feature, grafts=(*grafts, own))


_ACTIONS = {
    "add-entries": _add_entries,
    "remove-entry": _remove_entry,
    "add-mitigation": _add_mitigation,
    "remove-mitigation": _remove_mitigation,
    "remove-override": _remove_override,
    "declare-refused": _declare_refused,
    "own-section": _own_section,
}
