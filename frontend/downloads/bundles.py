"""Bundles as files: their bytes, signatures and sums, the index of all, and what verifies them."""

from __future__ import annotations

import hashlib

from django.http import Http404, HttpRequest, HttpResponse

from frontend.downloads import ranges
from policy.models import Bundle, BundleIndex
from policy.packing import standalone
from policy.publishing import signing

# --- One bundle -----------------------------------------------------------------------------------


def archive(request: HttpRequest, found: Bundle) -> HttpResponse:
    """The bundle's bytes. Its sum is its ETag: a bundle never changes, and a part of one can be
    asked for.
    """
    content = bytes(found.content)
    response = ranges.answer(request, content, digest=found.sha256, content_type="application/gzip")
    response["Content-Disposition"] = f'attachment; filename="{found.filename}"'
    # Kept by whoever has it, but asked about again: it may be revoked.
    response["Cache-Control"] = "private, no-cache"
    return response


def signature(found: Bundle) -> HttpResponse:
    """``<bundle>.asc``: the newest signature by a key that is in use, else the newest of all.

    Raises Http404 where nobody has signed it.
    """
    signed = found.signatures.filter(key__retired_at=None).first() or found.signatures.first()
    if signed is None:
        raise Http404
    return _text(f"{found.filename}.asc", signed.armored, "application/pgp-signature")


def checksum(found: Bundle) -> HttpResponse:
    """The bundle's SHA-256, as ``sha256sum -c`` reads it."""
    line = f"{found.sha256}  {found.filename}\n"
    return _text(f"{found.filename}.sha256", line, "text/plain; charset=utf-8")


# --- The index of all -----------------------------------------------------------------------------


def index() -> HttpResponse:
    """The published index, as it was signed. Raises Http404 where none is published."""
    return _text("index.json", _published().content, "application/json")


def index_signature() -> HttpResponse:
    """Its signature. Raises Http404 where none is made."""
    armored = _published().armored
    if not armored:
        raise Http404
    return _text("index.json.asc", armored, "application/pgp-signature")


def index_of(serial: int) -> HttpResponse:
    """The index of a serial, such as one that waits to be signed offline. Raises Http404."""
    found = BundleIndex.objects.filter(serial=serial).first()
    if found is None:
        raise Http404
    return _text(f"index-{serial}.json", found.content, "application/json")


def _published() -> BundleIndex:
    found = signing.published_index()
    if found is None:
        raise Http404
    return found


# --- What verifies them ---------------------------------------------------------------------------


def keyring() -> HttpResponse:
    """The public keys that sign bundles."""
    return _text("lockstep-keys.asc", signing.keyring(), "application/pgp-keys")


def verifier(request: HttpRequest) -> HttpResponse:
    """The verifying command as one file."""
    content = standalone.archive()
    digest = hashlib.sha256(content).hexdigest()
    response = ranges.answer(request, content, digest=digest, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{standalone.NAME}"'
    return response


def _text(filename: str, text: str, content_type: str) -> HttpResponse:
    response = HttpResponse(text, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["Cache-Control"] = "no-cache"
    return response
