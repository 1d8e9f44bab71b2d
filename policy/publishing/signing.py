"""Signatures of bundles, and the signed index of all of them: who may sign, and what waits for it.

Private keys are never here. A worker signs by the key that its gpg agent has
(``LOCKSTEP_SIGNING_KEY``); or a person signs offline and hands in the signature, which counts where
it is by one of the published keys. What a key signed before it was retired still counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from policy.audit import record
from policy.errors import Invalid
from policy.models import Bundle, BundleIndex, BundleSignature, Revocation, SigningKey
from policy.packing import index, signatures
from policy.permissions import require
from policy.signals import signatures_required

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_REASON = 2000


# --- Keys -----------------------------------------------------------------------------------------


def add_key(armored: bytes, actor: User | None) -> SigningKey:
    """Publish the public key of a file; one that is published already is brought up to date (it
    may have got a later expiry, or a revocation). Raises ``Invalid``.
    """
    try:
        found = signatures.keys_in(armored)
    except signatures.SignatureError as error:
        raise Invalid(str(error)) from error
    if len(found) != 1:
        raise Invalid("The file holds several keys: publish each from a file of its own.")
    text = armored.decode("ascii", "replace")
    values = {"owner": found[0].owner[:200], "armored": text}
    with transaction.atomic():
        key, created = SigningKey.objects.get_or_create(
            fingerprint=found[0].fingerprint, defaults=values
        )
        if not created and key.armored != text:
            SigningKey.objects.filter(pk=key.pk).update(**values)
            record(actor, "refresh key", key, after={"fingerprint": key.fingerprint})
        elif created:
            record(actor, "publish key", key, after={"fingerprint": key.fingerprint})
    return key


def retire_key(fingerprint: str, actor: User | None) -> SigningKey:
    """Nothing is signed by this key any more. Raises ``Invalid``."""
    with transaction.atomic():
        key = SigningKey.objects.filter(fingerprint__endswith=fingerprint.upper()).first()
        if key is None or not fingerprint:
            raise Invalid(f"No key '{fingerprint:.60}' is published.")
        if key.retired_at is None:
            SigningKey.objects.filter(pk=key.pk, retired_at=None).update(retired_at=timezone.now())
            record(actor, "retire key", key)
    key.refresh_from_db()
    return key


def keyring() -> str:
    """Every published key, the newest first: what a download is checked by."""
    return "\n".join(key.armored.strip() + "\n" for key in SigningKey.objects.all())


# --- Signing --------------------------------------------------------------------------------------


def sign_waiting() -> Mapping[str, int]:
    """Sign whatever is not signed by the present key, and renew the index where it is due.

    For a worker: it asks gpg's agent. Without ``LOCKSTEP_SIGNING_KEY`` the index is renewed and
    waits, as the bundles do, for somebody who signs offline. Raises ``SignatureError``.
    """
    key = _present_key()
    signed = 0
    if key is not None:
        for bundle in Bundle.objects.exclude(signatures__key=key).order_by("id"):
            armored = signatures.sign(
                bytes(bundle.content), key.fingerprint, settings.LOCKSTEP_GNUPGHOME
            )
            signed += _keep(bundle, key, armored.decode(), None)
    newest = renew_index()
    if key is not None and not newest.armored:
        armored = signatures.sign(
            newest.content.encode(), key.fingerprint, settings.LOCKSTEP_GNUPGHOME
        )
        _keep_index(newest, key, armored.decode(), None)
    return {"signed": signed, "index": newest.serial}


def _present_key() -> SigningKey | None:
    """The key that workers sign by, published if it is not yet."""
    name = settings.LOCKSTEP_SIGNING_KEY
    if not name:
        return None
    key = add_key(signatures.public_key(name, settings.LOCKSTEP_GNUPGHOME), None)
    if key.retired_at is not None:
        raise signatures.SignatureError(f"{key} is retired: LOCKSTEP_SIGNING_KEY names it still")
    return key


def attach(bundle: Bundle, armored: bytes, actor: User) -> BundleSignature:
    """Take a signature that somebody made offline. Raises ``Invalid`` and ``Forbidden``."""
    require(actor, "publish", bundle.revision.release.tree)
    key = _signer(bytes(bundle.content), armored)
    _keep(bundle, key, armored.decode(), actor)
    return BundleSignature.objects.get(bundle=bundle, key=key)


def attach_to_index(serial: int, armored: bytes, actor: User) -> BundleIndex:
    """The same for the index of that serial. Raises ``Invalid`` and ``Forbidden``."""
    require(actor, "publish", None)
    waiting = BundleIndex.objects.filter(serial=serial).first()
    if waiting is None:
        raise Invalid(f"There is no index {serial}.")
    _keep_index(waiting, _signer(waiting.content.encode(), armored), armored.decode(), actor)
    waiting.refresh_from_db()
    return waiting


def _signer(content: bytes, armored: bytes) -> SigningKey:
    """The published key, not retired, that made a signature."""
    active = SigningKey.objects.filter(retired_at=None)
    if not active:
        raise Invalid("No key is published: an administrator adds one (manage.py signing_key).")
    try:
        fingerprint = signatures.verify(
            content, armored, "\n".join(key.armored for key in active).encode()
        )
    except signatures.SignatureError as error:
        raise Invalid(f"The signature does not count: {error}.") from error
    return active.get(fingerprint=fingerprint)


@transaction.atomic
def _keep(bundle: Bundle, key: SigningKey, armored: str, actor: User | None) -> bool:
    _, created = BundleSignature.objects.get_or_create(
        bundle=bundle, key=key, defaults={"armored": armored}
    )
    if created:
        record(actor, "sign bundle", bundle, after={"key": key.fingerprint})
    return created


@transaction.atomic
def _keep_index(waiting: BundleIndex, key: SigningKey, armored: str, actor: User | None) -> None:
    unsigned = BundleIndex.objects.filter(pk=waiting.pk, armored="")
    if unsigned.update(key=key, armored=armored):
        record(actor, "sign index", waiting, after={"key": key.fingerprint})


# --- Revoking -------------------------------------------------------------------------------------


@transaction.atomic
def revoke(bundle: Bundle, actor: User, reason: str) -> Revocation:
    """Nobody may use this bundle any more. Raises ``Forbidden`` and ``Invalid``."""
    require(actor, "publish", bundle.revision.release.tree)
    said = reason.strip()
    if not said or len(said) > MAX_REASON:
        raise Invalid(f"Say why, in at most {MAX_REASON} characters.", field="reason")
    if Revocation.objects.filter(bundle=bundle).exists():
        raise Invalid("The bundle is revoked already.")
    revocation = Revocation.objects.create(
        bundle=bundle, reason=said, revoked_by=actor, revoked_at=timezone.now()
    )
    signatures_required.send(sender=Revocation)
    record(actor, "revoke bundle", bundle, after={"reason": said})
    return revocation


# --- The index ------------------------------------------------------------------------------------


def renew_index(now: datetime | None = None) -> BundleIndex:
    """The newest index; a new one where bundles were added or revoked, or half its time is over."""
    moment = (now or timezone.now()).astimezone(UTC).replace(microsecond=0)
    newest = BundleIndex.objects.first()
    life = timedelta(days=settings.LOCKSTEP_INDEX_DAYS)
    made = index.Index(
        serial=newest.serial + 1 if newest is not None else 1,
        issued=moment,
        expires=moment + life,
        bundles=tuple(_listed()),
        revocations=tuple(_revoked()),
    )
    if newest is not None and newest.expires_at - moment > life / 2:
        before = index.read(newest.content.encode())
        if (before.bundles, before.revocations) == (made.bundles, made.revocations):
            return newest
    try:
        with transaction.atomic():
            return BundleIndex.objects.create(
                serial=made.serial, content=index.export(made), expires_at=made.expires
            )
    except IntegrityError:  # another worker made it at the same moment
        return BundleIndex.objects.get(serial=made.serial)


def is_waiting() -> bool:
    """Whether there is something for :func:`sign_waiting` to do."""
    newest = BundleIndex.objects.first()
    if newest is None:
        return Bundle.objects.exists()
    life = timedelta(days=settings.LOCKSTEP_INDEX_DAYS)
    changed = (
        newest.expires_at - timezone.now() <= life / 2
        or Bundle.objects.filter(created_at__gt=newest.created_at).exists()
        or Revocation.objects.filter(revoked_at__gt=newest.created_at).exists()
    )
    if changed or not settings.LOCKSTEP_SIGNING_KEY:
        return changed
    key = SigningKey.objects.filter(fingerprint__endswith=settings.LOCKSTEP_SIGNING_KEY).first()
    return not newest.armored or Bundle.objects.exclude(signatures__key=key).exists()


def published_index() -> BundleIndex | None:
    """The index to hand out: the newest that is signed, or the newest while none is."""
    return BundleIndex.objects.exclude(armored="").first() or BundleIndex.objects.first()


def waiting_index() -> BundleIndex | None:
    """The newest index where that waits to be signed."""
    newest = BundleIndex.objects.first()
    return newest if newest is not None and not newest.armored else None


def _listed() -> Iterable[dict[str, Any]]:
    rows = Bundle.objects.select_related("revision__release__tree").order_by("id")
    for row in rows.defer("content", "revision__content"):
        release = row.revision.release
        yield {
            "file": row.filename,
            "tree": release.tree.name,
            "release": release.version,
            "revision": row.revision.number,
            "revision_digest": row.revision.digest,
            "sha256": row.sha256,
            "size": row.size,
            "published_at": row.revision.published_at.astimezone(UTC).isoformat(timespec="seconds"),
        }


def _revoked() -> Iterable[dict[str, Any]]:
    for row in Revocation.objects.select_related("bundle").defer("bundle__content"):
        yield {
            "file": row.bundle.filename,
            "sha256": row.bundle.sha256,
            "at": row.revoked_at.astimezone(UTC).isoformat(timespec="seconds"),
            "reason": row.reason,
        }
