"""``provenance.json``: where a revision comes from, who answers for it, and what proved it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from policy.document import Policy, canonical

SCHEMA = 1


def export(policy: Policy, digest: str, derived: Mapping[str, Any]) -> str:
    """The document's JSON. ``digest`` is the revision's; ``derived`` its derived part.

    Raises KeyError and TypeError where that is not what publishing writes.
    """
    trials = derived["trials"]
    document = {
        "schema": SCHEMA,
        "revision": {**derived["revision"], "digest": digest, "policy_digest": policy.digest},
        "change_requests": [derived["change"]] if "change" in derived else [],
        "approvals": derived.get("approvals", []),
        "trials": {
            "count": len(trials),
            "digest": trials_digest(trials),
            "keys": [item["key"] for item in trials],
        },
        "waivers": policy.to_json().get("waivers", []),
        "audit_head": derived.get("audit_head", ""),
        "base": policy.to_json()["base"],
        "generator": derived.get("generator", {}),
    }
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def trials_digest(trials: Any) -> str:
    """SHA-256 (hex) of the trials' canonical JSON: ``trials.json`` without its newline."""
    return hashlib.sha256(canonical(trials).encode()).hexdigest()
