"""The index of all bundles: which there are, which are revoked, until when that is known.

A signature shows who made a bundle, not that it is still the one to use: somebody between may hand
out last year's. So the index is signed too, its serial only ever increases, and it expires: what
is old is noticed, whoever serves it.

    {"schema": 1, "serial": 7, "issued": "…", "expires": "…",
     "bundles": [{"file", "tree", "release", "revision", "revision_digest", "sha256", "size",
                  "published_at"}, …],
     "revocations": [{"file", "sha256", "at", "reason"}, …]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from policy.document import canonical

SCHEMA = 1
MAX_BYTES = 16 * 1024 * 1024
#: How far a clock may be behind the one that issued an index.
SKEW = timedelta(minutes=10)
_BUNDLE = {
    "file": str,
    "tree": str,
    "release": str,
    "revision": int,
    "revision_digest": str,
    "sha256": str,
    "size": int,
    "published_at": str,
}
_REVOCATION = {"file": str, "sha256": str, "at": str, "reason": str}

#: What reading odd JSON raises; a number without an end is an overflow.
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError)


class IndexFileError(ValueError):
    """The bytes are no index."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index as it was read; ``bundles`` and ``revocations`` have the members listed above."""

    serial: int
    issued: datetime
    expires: datetime
    bundles: tuple[Mapping[str, Any], ...]
    revocations: tuple[Mapping[str, Any], ...]


def export(index: Index) -> str:
    """Canonical JSON on one line: what is signed."""
    return canonical({"schema": SCHEMA, **_members(index)}) + "\n"


def _members(index: Index) -> dict[str, Any]:
    return {
        "serial": index.serial,
        "issued": index.issued.isoformat(timespec="seconds"),
        "expires": index.expires.isoformat(timespec="seconds"),
        "bundles": [dict(item) for item in index.bundles],
        "revocations": [dict(item) for item in index.revocations],
    }


def read(content: bytes) -> Index:
    """Read an exported index. Raises :class:`IndexFileError`."""
    if len(content) > MAX_BYTES:
        raise IndexFileError(f"the index is larger than {MAX_BYTES // 2**20} MiB")
    try:
        document = json.loads(content)
        if document["schema"] != SCHEMA:
            raise IndexFileError(f"the index has a schema that is not {SCHEMA}")
        index = Index(
            serial=int(document["serial"]),
            issued=datetime.fromisoformat(document["issued"]),
            expires=datetime.fromisoformat(document["expires"]),
            bundles=_listed(document["bundles"], _BUNDLE),
            revocations=_listed(document["revocations"], _REVOCATION),
        )
        if export(index).encode() != content:
            raise IndexFileError("the index is not in its one form")
    except IndexFileError:
        raise
    except _UNREADABLE as error:
        raise IndexFileError(f"the index is not readable: {error!r:.200}") from error
    if index.issued.tzinfo is None or index.expires.tzinfo is None:
        raise IndexFileError("the index's times have no zone")
    return index


def _listed(items: Sequence[Any], members: Mapping[str, type]) -> tuple[Mapping[str, Any], ...]:
    for item in items:
        if item.keys() != members.keys() or not all(
            type(item[name]) is kind for name, kind in members.items()
        ):
            raise IndexFileError(f"the index has an entry that is none: {item!r:.100}")
    return tuple(items)


def problems(index: Index, sha256: str, now: datetime, seen: int = 0) -> list[str]:
    """Why a bundle should not be used, by this index; empty where it may be.

    ``seen`` is the highest serial that was seen before: an older index was handed out again.
    """
    found = []
    if index.serial < seen:
        found.append(f"the index is an old one: serial {index.serial}, seen before was {seen}")
    if now > index.expires:
        found.append(f"the index has expired ({index.expires:%Y-%m-%d %H:%M} UTC): fetch a new one")
    if now < index.issued - SKEW:
        found.append("the index is from the future: look at this machine's clock")
    if not any(item["sha256"] == sha256 for item in index.bundles):
        found.append("the bundle is not in the index: it was never published, or after it")
    found += [
        f"the bundle was revoked ({item['at']}): {item['reason']}"
        for item in index.revocations
        if item["sha256"] == sha256
    ]
    return found


def newer(index: Index, sha256: str) -> str:
    """The file name of the same release's newest bundle, where that is another; else empty."""
    own = next((item for item in index.bundles if item["sha256"] == sha256), None)
    if own is None:
        return ""
    revoked = {item["sha256"] for item in index.revocations}
    same = [
        item
        for item in index.bundles
        if (item["tree"], item["release"]) == (own["tree"], own["release"])
        and item["sha256"] not in revoked
        and item["revision"] > own["revision"]
    ]
    return str(max(same, key=lambda item: item["revision"])["file"]) if same else ""
