"""A policy as canonical JSON (RFC 8785): what digests are taken of, and what can be read again.

>>> read(export(policy)) == policy                                  # doctest: +SKIP
True
"""

from __future__ import annotations

import json

from policy.document import Policy, canonical, from_json
from policy.exporters import ExportError

MAX_BYTES = 64 * 1024 * 1024


def export(policy: Policy) -> str:
    """The document on one line, which ends in a newline; the digest is that of the line alone."""
    return canonical(policy.to_json()) + "\n"


def read(text: str) -> Policy:
    """The policy of an exported text.

    Raises :class:`ExportError` for what is not JSON, :class:`policy.document.DocumentError` (with
    the path to the fault) for what is no policy.
    """
    if len(text.encode()) > MAX_BYTES:
        raise ExportError(f"is larger than {MAX_BYTES // 2**20} MiB")
    try:
        return from_json(json.loads(text))
    except RecursionError as error:
        raise ExportError("nests too deeply") from error
    except json.JSONDecodeError as error:
        raise ExportError(
            f"line {error.lineno}, column {error.colno}: is not JSON: {error.msg}"
        ) from error
