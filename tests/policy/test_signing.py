"""Bundles and their index are signed, checked by the published keys alone, and revoked for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from policy_world import World
from signing_keys import TestKey, gpg, made_key

from policy import audit
from policy.errors import Forbidden, Invalid
from policy.models import AuditEntry, Bundle, BundleIndex, SigningKey
from policy.packing import index, signatures
from policy.publishing import bundle, signing

CONTENT = b"the bytes of a bundle"


@pytest.fixture(scope="module")
def key() -> Iterator[TestKey]:
    with made_key() as made:
        yield made


@pytest.fixture(scope="module")
def other() -> Iterator[TestKey]:
    with made_key() as made:
        yield made


# --- gpg ------------------------------------------------------------------------------------------


def test_a_signature_names_its_key(key: TestKey, other: TestKey) -> None:
    both = other.public + key.public
    assert signatures.verify(CONTENT, key.sign(CONTENT), both) == key.fingerprint


def test_what_does_not_count(key: TestKey, other: TestKey) -> None:
    signed = key.sign(CONTENT)
    for content, signature, keys, reason in (
        (CONTENT + b"!", signed, key.public, "not of these bytes"),
        (CONTENT, signed, other.public, "none of the given keys"),
        (CONTENT, b"nonsense", key.public, "no armored"),
        (CONTENT, signed + b"\xff", key.public, "no armored"),
        (CONTENT, signed + b"\0", key.public, "no armored"),
        (CONTENT, signed[:60], key.public, "cannot be checked"),
        (CONTENT, signed + b"x" * 70_000, key.public, "too long"),
        (CONTENT, signed, b"nonsense", "keys cannot be read"),
    ):
        with pytest.raises(signatures.SignatureError, match=reason):
            signatures.verify(content, signature, keys)


@pytest.mark.django_db
def test_a_revoked_key_is_published_as_such() -> None:
    with made_key() as key:
        signing.add_key(key.public, None)
        signed = key.sign(CONTENT)
        assert signatures.verify(CONTENT, signed, signing.keyring().encode()) == key.fingerprint
        revoke_key(key)
        signing.add_key(gpg(key.home, "--armor", "--export"), None)
    with pytest.raises(signatures.SignatureError, match="revoked"):
        signatures.verify(CONTENT, signed, signing.keyring().encode())


def revoke_key(key: TestKey) -> None:
    certificate = Path(key.home, "openpgp-revocs.d", f"{key.fingerprint}.rev").read_text()
    revoked = Path(key.home, "revocation")
    # gpg disarms the certificate that it prepares by a colon.
    revoked.write_text(certificate.replace(":-----BEGIN", "-----BEGIN"))
    gpg(key.home, "--import", str(revoked))


def test_a_private_key_is_refused(key: TestKey) -> None:
    private = gpg(key.home, "--passphrase", "", "--pinentry-mode", "loopback", "--armor",
                  "--export-secret-keys")  # fmt: skip
    bare = gpg(key.home, "--passphrase", "", "--pinentry-mode", "loopback", "--export-secret-keys")
    for content in (private, bare):
        with pytest.raises(signatures.SignatureError, match="no business here"):
            signatures.keys_in(content)


def test_nobody_can_sign_by_a_key_that_is_not_there(key: TestKey, other: TestKey) -> None:
    with pytest.raises(signatures.SignatureError, match="could not sign"):
        signatures.sign(CONTENT, other.fingerprint, key.home)


# --- The index, as plain data ---------------------------------------------------------------------

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def an_index(**changed: object) -> index.Index:
    listed = [
        {"file": f"r{number}.tar.gz", "tree": "down", "release": "1.2", "revision": number,
         "revision_digest": "0", "sha256": f"sum{number}", "size": 1, "published_at": "then"}
        for number in (1, 2, 3)
    ]  # fmt: skip
    revoked = {"file": "r3.tar.gz", "sha256": "sum3", "at": "then", "reason": "it was wrong"}
    values = {"serial": 7, "issued": NOW, "expires": NOW + timedelta(days=30)}
    values |= {"bundles": tuple(listed), "revocations": (revoked,)}
    return index.Index(**{**values, **changed})  # type: ignore[arg-type]


def test_index_is_read_back() -> None:
    assert index.read(index.export(an_index()).encode()) == an_index()


@pytest.mark.parametrize(
    ("sha256", "now", "seen", "problem"),
    [
        ("sum3", NOW, 0, "was revoked (then): it was wrong"),
        ("sum4", NOW, 0, "not in the index"),
        ("sum1", NOW, 8, "an old one: serial 7, seen before was 8"),
        ("sum1", NOW + timedelta(days=31), 0, "has expired"),
        ("sum1", NOW - timedelta(days=1), 0, "from the future"),
    ],
)
def test_what_an_index_says_against_a_bundle(
    sha256: str, now: datetime, seen: int, problem: str
) -> None:
    (said,) = index.problems(an_index(), sha256, now, seen)
    assert problem in said


def test_an_index_tells_of_the_newest_that_is_not_revoked() -> None:
    assert index.problems(an_index(), "sum1", NOW, 7) == []
    assert index.newer(an_index(), "sum1") == "r2.tar.gz"
    assert index.newer(an_index(), "sum2") == ""


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, '{"schema": 2}', index.export(an_index()) + " "]
)
def test_what_is_no_index(text: str) -> None:
    with pytest.raises(index.IndexFileError):
        index.read(text.encode())


# --- On the server --------------------------------------------------------------------------------


@pytest.fixture
def world(db: None) -> World:
    return World()


@pytest.fixture
def stored(world: World) -> Bundle:
    return bundle.store(world.published())


@pytest.fixture
def worker_signs(key: TestKey, settings) -> None:  # type: ignore[no-untyped-def]
    settings.LOCKSTEP_SIGNING_KEY = key.fingerprint
    settings.LOCKSTEP_GNUPGHOME = key.home


def test_a_worker_signs_what_waits(stored: Bundle, worker_signs: None) -> None:
    assert signing.is_waiting()
    assert signing.sign_waiting() == {"signed": 1, "index": 1}
    keys = signing.keyring().encode()
    signature = stored.signatures.get().armored.encode()
    assert signatures.verify(bytes(stored.content), signature, keys)
    newest = signing.published_index()
    assert newest is not None
    content = newest.content.encode()
    assert signatures.verify(content, newest.armored.encode(), keys)
    assert index.problems(index.read(content), stored.sha256, datetime.now(UTC)) == []
    assert not signing.is_waiting()
    assert signing.sign_waiting() == {"signed": 0, "index": 1}


def test_the_index_is_renewed_before_it_expires(stored: Bundle) -> None:
    first = signing.renew_index()
    later = first.expires_at - timedelta(days=10)
    assert signing.renew_index() == first
    assert signing.renew_index(later).serial == 2


def test_revoking_is_in_the_next_index_and_final(world: World, stored: Bundle) -> None:
    signing.renew_index()
    with pytest.raises(Forbidden):
        signing.revoke(stored, world.maintainer, "no")
    with pytest.raises(Invalid, match="Say why"):
        signing.revoke(stored, world.manager, " ")
    signing.revoke(stored, world.manager, "a guest lost its disk")
    with pytest.raises(Invalid, match="revoked already"):
        signing.revoke(stored, world.manager, "again")
    assert signing.is_waiting()
    listed = index.read(signing.renew_index().content.encode())
    assert listed.serial == 2
    (problem,) = index.problems(listed, stored.sha256, datetime.now(UTC))
    assert "a guest lost its disk" in problem
    assert AuditEntry.objects.filter(action="revoke bundle").count() == 1
    assert audit.verify() == []


def test_a_signature_made_offline(
    world: World, stored: Bundle, key: TestKey, other: TestKey
) -> None:
    armored = key.sign(bytes(stored.content))
    with pytest.raises(Invalid, match="No key is published"):
        signing.attach(stored, armored, world.manager)
    signing.add_key(key.public, None)
    with pytest.raises(Invalid, match="none of the given keys"):
        signing.attach(stored, other.sign(bytes(stored.content)), world.manager)
    with pytest.raises(Forbidden):
        signing.attach(stored, armored, world.maintainer)
    assert signing.attach(stored, armored, world.manager).key.fingerprint == key.fingerprint
    waiting = signing.renew_index()
    signed = signing.attach_to_index(1, key.sign(waiting.content.encode()), world.manager)
    assert signing.published_index() == signed
    assert signing.waiting_index() is None


def test_an_unsigned_index_is_not_handed_out_while_there_is_a_signed_one(
    world: World, stored: Bundle, key: TestKey
) -> None:
    signing.add_key(key.public, None)
    first = signing.renew_index()
    signing.attach_to_index(1, key.sign(first.content.encode()), world.manager)
    signing.revoke(stored, world.manager, "wrong")
    second = signing.renew_index()
    assert (signing.published_index(), signing.waiting_index()) == (first, second)


def test_keys_take_over_from_each_other(
    stored: Bundle,
    key: TestKey,
    other: TestKey,
    settings,
    tmp_path: Path,  # type: ignore[no-untyped-def]
) -> None:
    settings.LOCKSTEP_SIGNING_KEY, settings.LOCKSTEP_GNUPGHOME = key.fingerprint, key.home
    signing.sign_waiting()
    (tmp_path / "new.asc").write_bytes(other.public)
    call_command("signing_key", "add", str(tmp_path / "new.asc"))
    settings.LOCKSTEP_SIGNING_KEY, settings.LOCKSTEP_GNUPGHOME = other.fingerprint, other.home
    signing.sign_waiting()
    call_command("signing_key", "retire", key.fingerprint)
    by_new, by_old = stored.signatures.all()
    assert by_new.key.fingerprint == other.fingerprint
    # What the old key signed still counts for whoever has the key ring.
    keys = signing.keyring().encode()
    for signature in (by_new, by_old):
        assert signatures.verify(bytes(stored.content), signature.armored.encode(), keys)
    settings.LOCKSTEP_SIGNING_KEY, settings.LOCKSTEP_GNUPGHOME = key.fingerprint, key.home
    with pytest.raises(signatures.SignatureError, match="is retired"):
        signing.sign_waiting()


def test_no_private_key_gets_into_the_database(db: None, key: TestKey, tmp_path: Path) -> None:
    private = gpg(key.home, "--passphrase", "", "--pinentry-mode", "loopback", "--armor",
                  "--export-secret-keys")  # fmt: skip
    (tmp_path / "key.asc").write_bytes(private)
    with pytest.raises(CommandError, match="no business here"):
        call_command("signing_key", "add", str(tmp_path / "key.asc"))
    assert not SigningKey.objects.exists()
    assert not BundleIndex.objects.exists()
