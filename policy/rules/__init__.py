"""The rules of a policy: what follows from catalogues and decisions. Pure, over plain data.

    consequences  of a whole policy: its catalogue, property sets, bitmaps, required trials
    bitmaps       the default blacklist of a section, and what overrides make of it
    grafts        a backport's layout, put into a device's description
    seeding       the machine types that a release's first policy has
    proposals     features that two catalogues show, and what a backport of one brings along

The consequences come from here: ``rules.globals_of(…)``. What is wrong or doubtful in a policy is
:mod:`policy.findings`; docs/policy-rules.md states every rule with an example.
"""

from policy.rules.consequences import (
    RequiredTrial,
    StateLike,
    all_bitmaps,
    blacklist_properties,
    device_bitmaps,
    device_properties,
    effective_catalogue,
    features_of,
    globals_of,
    machine_types,
    mitigations_for,
    policy_catalogue,
    relaxed_versions,
    required_trials,
    resolved_properties,
    side,
)

__all__ = [
    "RequiredTrial",
    "StateLike",
    "all_bitmaps",
    "blacklist_properties",
    "device_bitmaps",
    "device_properties",
    "effective_catalogue",
    "features_of",
    "globals_of",
    "machine_types",
    "mitigations_for",
    "policy_catalogue",
    "relaxed_versions",
    "required_trials",
    "resolved_properties",
    "side",
]
