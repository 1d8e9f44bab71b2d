"""The content of a revision that a release's policy would be published as."""

from __future__ import annotations

from dataclasses import asdict

from policy import rules
from policy.document import canonical
from policy.exporters import target
from policy.findings import Subject


def content_of(subject: Subject) -> str:
    """Its sets and what QEMU has none of, as publishing derives them; approved at one moment."""
    policy, catalogue = subject.policy, subject.catalogue
    assert policy is not None
    properties, left_out = {}, {}
    for item in policy.machine_types:
        resolved = rules.resolved_properties(policy, catalogue, item.name)
        properties[item.name] = [
            {"driver": e.driver, "property": e.property, "value": e.value} for e in resolved
        ]
        left_out[item.name] = [asdict(e) for e in target.left_out(catalogue, resolved)]
    derived = {
        "revision": {"number": 1, "parent": "", "published_at": "2026-05-05T00:00:00+00:00"},
        "approvals": [],
        "trials": [],
        "properties": properties,
        "left_out": left_out,
    }
    return canonical({"policy": policy.to_json(), "derived": derived})
