"""Edits of what a policy promises and tries: migrations, mitigations, devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from machines.emulator.catalogue import CompatProperty
from machines.emulator.drivers import description_of
from machines.models import Release
from policy import drafts, rules
from policy.document import (
    DECLARABLE,
    Migration,
    Mitigation,
    Policy,
)
from policy.edits.checks import (
    at,
    base_of,
    check_label,
    check_value,
    line,
    machine_type_of,
    value_of,
    word,
    words,
)
from policy.errors import Invalid
from policy.models import ChangeRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import User


#: Older releases from which a new one takes guests, where nobody says otherwise.
PREDECESSORS = 2


def default_migrations(release: Release) -> tuple[Migration, ...]:
    """What a release's first policy promises: how a tree is upgraded, and rolled back.

    Guests come from the nearest older releases of the tree that are published, and go back to the
    one right before it. On every machine type that both have, and nothing is lost.
    """
    older = (
        Release.objects.filter(tree=release.tree, sort_key__lt=release.sort_key)
        .filter(revisions__isnull=False)
        .select_related("tree")
        .distinct()
        .order_by("-sort_key")[:PREDECESSORS]
    )
    labels = [item.label for item in older]
    forward = [Migration(label, release.label, "correct") for label in labels]
    backward = [Migration(release.label, label, "correct") for label in labels[:1]]
    return (*forward, *backward)


def add_migration(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    source: str,
    destination: str,
    expected: str,
    machine_type: str = "",
    note: str = "",
) -> ChangeRequest:
    """Declare a migration by release labels; trials must then show the ``expected`` outcome."""
    if expected not in DECLARABLE:
        raise Invalid(f"Choose one of {', '.join(DECLARABLE)}.", field="expected")
    new = Migration(source, destination, expected, machine_type, words(note, "note"))

    def alter(policy: Policy) -> Policy:
        if policy.label not in {source, destination}:
            raise Invalid(f"One of the two has to be {policy.label}.", field="source")
        check_label(source, "source")
        check_label(destination, "destination")
        if machine_type:
            machine_type_of(policy, machine_type)
        for item in policy.migrations:
            if replace(item, expected=expected, note=new.note) == new:
                raise Invalid("This migration is declared already.", field="machine_type")
        return replace(policy, migrations=(*policy.migrations, new))

    return drafts.rewrite(change, actor, expected_version, "add migration", alter)


def remove_migration(
    change: ChangeRequest, actor: User, expected_version: int, position: int
) -> ChangeRequest:
    """No longer declare a migration."""

    def alter(policy: Policy) -> Policy:
        at(policy.migrations, position)
        kept = (*policy.migrations[:position], *policy.migrations[position + 1 :])
        return replace(policy, migrations=kept)

    return drafts.rewrite(change, actor, expected_version, "remove migration", alter)


def add_mitigation(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    started_on: str,
    machine_type: str,
    entries: Sequence[tuple[str, str, str]],
    reason: str,
    until: str = "",
) -> ChangeRequest:
    """Set further (driver, property, value) for guests that were started on another release."""
    listed = tuple(
        CompatProperty(word(driver, "entries"), word(name, "entries"), value_of(value, "entries"))
        for driver, name, value in entries
    )
    if not listed:
        raise Invalid("A mitigation sets at least one property.", field="entries")
    for entry in listed:
        check_value(change, entry, field="entries")
    reason = words(reason, "reason")
    if not reason:
        raise Invalid("Say why: a reviewer has to judge it.", field="reason")
    new = Mitigation(started_on, machine_type, listed, reason, line(until, "until"))

    def alter(policy: Policy) -> Policy:
        check_label(started_on, "started_on")
        machine_type_of(policy, machine_type)
        return replace(policy, mitigations=(*policy.mitigations, new))

    return drafts.rewrite(change, actor, expected_version, "add mitigation", alter)


def remove_mitigation(
    change: ChangeRequest, actor: User, expected_version: int, position: int
) -> ChangeRequest:
    """Take a mitigation out again."""

    def alter(policy: Policy) -> Policy:
        at(policy.mitigations, position)
        kept = (*policy.mitigations[:position], *policy.mitigations[position + 1 :])
        return replace(policy, mitigations=kept)

    return drafts.rewrite(change, actor, expected_version, "remove mitigation", alter)


def choose_devices(
    change: ChangeRequest, actor: User, expected_version: int, devices: Sequence[str]
) -> ChangeRequest:
    """Say which devices trials exercise, in the board's order; none means all that can migrate."""
    wanted = tuple(dict.fromkeys(word(name, "devices") for name in devices))

    def alter(policy: Policy) -> Policy:
        catalogue = rules.policy_catalogue(base_of(policy), policy)
        for name in wanted:
            if description_of(catalogue, name) is None:
                raise Invalid(f"'{name}' has no state that could migrate.", field="devices")
        return replace(policy, devices=wanted)

    return drafts.rewrite(change, actor, expected_version, "choose devices", alter)
