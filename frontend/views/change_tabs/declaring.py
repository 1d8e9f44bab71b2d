"""The forms by which a change request declares: migrations, mitigations, devices of its trials."""

from __future__ import annotations

from typing import Any

from frontend.forms.changes import DevicesForm, MigrationForm, MitigationForm
from policy import state
from policy.models import ChangeRequest


def _labels(change: ChangeRequest) -> list[str]:
    """The releases that a declaration may name, this tree's first."""
    releases = state.releases()
    own = [item.label for item in releases if item.tree_id == change.release.tree_id]
    return own + [item.label for item in releases if item.label not in own]


def mitigation_form(change: ChangeRequest, data: Any = None) -> MitigationForm:
    initial = {"lock_version": change.lock_version}
    return MitigationForm(data, initial=initial, policy=change.policy, labels=_labels(change))


def migration_form(change: ChangeRequest, data: Any = None) -> MigrationForm:
    # Guests come from another release: which one, nobody can know.
    initial = {"lock_version": change.lock_version, "destination": change.release.label}
    return MigrationForm(data, initial=initial, policy=change.policy, labels=_labels(change))


def devices_form(change: ChangeRequest, data: Any = None) -> DevicesForm:
    names = "\n".join(change.policy.devices)
    return DevicesForm(data, initial={"lock_version": change.lock_version, "devices": names})
