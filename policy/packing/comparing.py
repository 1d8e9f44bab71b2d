"""What differs between two bundles of a release: decisions in words, and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policy.document import differences
from policy.document.differences import Difference
from policy.packing import archive
from policy.packing.content import MANIFEST, REVISION, SUMS
from policy.packing.published import read

#: Differ between any two bundles, and say nothing.
_ALWAYS = frozenset({MANIFEST, REVISION, SUMS, "provenance.json", "README.txt"})


@dataclass(frozen=True, slots=True)
class Compared:
    """``decisions`` in words; ``files`` that a build would install otherwise: path → how."""

    decisions: tuple[Difference, ...]
    files: Mapping[str, str]


def compare(before: bytes, after: bytes) -> Compared:
    """Two whole bundles against each other. Raises ArchiveError and BundleError."""
    old, new = archive.unpack(before).files, archive.unpack(after).files
    policies = [read(files[REVISION].decode()).policy for files in (old, new)]
    return Compared(differences.compare(*policies), changed_files(old, new))


def changed_files(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> dict[str, str]:
    """The files of two bundles that a build would install otherwise: path → how."""
    changed = {}
    for path in sorted((old.keys() | new.keys()) - _ALWAYS):
        if path not in old:
            changed[path] = "added"
        elif path not in new:
            changed[path] = "removed"
        elif old[path] != new[path]:
            changed[path] = "changed"
    return changed
