"""A policy as plain data: everything a downstream decides for one release. Pure.

The document is the truth. A change request holds one as its draft, a revision holds one for
ever, and both are compared, hashed and exported in this form. Its canonical form is JSON with
sorted keys and no spaces (RFC 8785; numbers here are whole), its digest the SHA-256 of that.

    values       what it holds, its canonical form and its digest
    reading      from JSON, every fault by its path
    files        from a file, YAML or JSON, every fault by its line
    differences  two of them, in the words of a maintainer
    objects      a difference's lines, gathered by what they are about
    merging      two that were made from the same third, as one
    parts        what the things in it are made of, as merging takes them apart
    waivers      whether a waiver in it holds

The values and their reading, which nearly everybody needs, come from here.
"""

from policy.document.reading import DocumentError, feature_from_json, from_json, remembered
from policy.document.values import (
    DECLARABLE,
    MAX_ENTRIES,
    MAX_MACHINE_TYPES,
    MAX_NAME,
    MAX_TEXT,
    SCHEMA,
    Backport,
    CatalogueRef,
    Graft,
    MachineType,
    Migration,
    Mitigation,
    Outcome,
    Override,
    Policy,
    Waiver,
    canonical,
    canonical_object,
    digest,
    digest_of,
    plain,
)

__all__ = [
    "DECLARABLE",
    "MAX_ENTRIES",
    "MAX_MACHINE_TYPES",
    "MAX_NAME",
    "MAX_TEXT",
    "SCHEMA",
    "Backport",
    "CatalogueRef",
    "DocumentError",
    "Graft",
    "MachineType",
    "Migration",
    "Mitigation",
    "Outcome",
    "Override",
    "Policy",
    "Waiver",
    "canonical",
    "canonical_object",
    "digest",
    "digest_of",
    "feature_from_json",
    "from_json",
    "plain",
    "remembered",
]
