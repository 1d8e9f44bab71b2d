"""Detached OpenPGP signatures (``.asc``), made and checked by ``gpg``.

Checking uses a home folder of its own that holds nothing but the keys it is given, so neither what
is on the machine's keyring nor what that trusts counts: exactly the given keys do.

Source: GnuPG's doc/DETAILS (status lines, colon listings).
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 60
MAX_SIGNATURE = 64 * 1024
MAX_KEYS = 1024 * 1024
#: What else gpg may say of a signature that it can check: that it should not be taken.
_BAD = re.compile(r"^\[GNUPG:\] (EXPSIG|EXPKEYSIG|REVKEYSIG|BADSIG|ERRSIG)\b", re.MULTILINE)
_VALID = re.compile(r"^\[GNUPG:\] VALIDSIG (?:\S+ ){9}([0-9A-F]{40})$", re.MULTILINE)
_REASONS = {
    "EXPSIG": "the signature has expired",
    "EXPKEYSIG": "the key that signed has expired",
    "REVKEYSIG": "the key that signed was revoked",
    "BADSIG": "the signature is not of these bytes",
    "ERRSIG": "the signature is by none of the given keys",
}


class SignatureError(ValueError):
    """A signature or a key is not to be taken, or a signature could not be made."""


class MissingToolError(RuntimeError):
    """There is no ``gpg`` here."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: its primary fingerprint, and whom it says it belongs to."""

    fingerprint: str
    owner: str


def verify(content: bytes, signature: bytes, keys: bytes) -> str:
    """The primary fingerprint of the one of ``keys`` that signed ``content``.

    Raises :class:`SignatureError`.
    """
    # gpg reads over other bytes around it, which a database and a text file may not hold.
    is_text = signature.isascii() and b"\0" not in signature
    if not is_text or not signature.lstrip().startswith(b"-----BEGIN PGP SIGNATURE-----"):
        raise SignatureError("the signature is no armored OpenPGP signature")
    if len(signature) > MAX_SIGNATURE:
        raise SignatureError("the signature is too long for one")
    with tempfile.TemporaryDirectory(prefix="lockstep-keys-") as home:
        _import(home, keys)
        (Path(home) / "content").write_bytes(content)
        (Path(home) / "signature.asc").write_bytes(signature)
        ran = _gpg(
            home, ["--status-fd", "1", "--verify", f"{home}/signature.asc", f"{home}/content"]
        )
        said = ran.stdout.decode("utf-8", "replace")
    if match := _BAD.search(said):
        raise SignatureError(_REASONS[match[1]])
    found = _VALID.findall(said)
    if ran.returncode or len(found) != 1:
        raise SignatureError("the signature cannot be checked, or there are several")
    return str(found[0])


def keys_in(armored: bytes) -> tuple[Key, ...]:
    """The public keys of a file. Raises :class:`SignatureError`, also where a private one is."""
    if len(armored) > MAX_KEYS:
        raise SignatureError(f"a file of keys has at most {MAX_KEYS // 1024} KiB")
    if b"PRIVATE KEY" in armored:
        raise SignatureError("a private key has no business here: export the public one")
    with tempfile.TemporaryDirectory(prefix="lockstep-keys-") as home:
        packets = _gpg(home, ["--list-packets"], armored).stdout
        if b":secret key packet:" in packets or b":secret sub key packet:" in packets:
            raise SignatureError("a private key has no business here: export the public one")
        _gpg(home, ["--import"], armored)
        ran = _gpg(home, ["--with-colons", "--list-keys"])
    keys: list[Key] = []
    wants_fingerprint = False
    for line in ran.stdout.decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if fields[0] == "pub":
            wants_fingerprint = True
        elif fields[0] == "fpr" and wants_fingerprint:
            keys.append(Key(fields[9], ""))
            wants_fingerprint = False
        elif fields[0] == "uid" and keys and not keys[-1].owner:
            keys[-1] = Key(keys[-1].fingerprint, fields[9])
    if not keys:
        raise SignatureError("no public key is in this file")
    return tuple(keys)


def sign(content: bytes, fingerprint: str, home: str = "") -> bytes:
    """An armored detached signature, by a key that gpg's agent has.

    ``home`` is gpg's home folder, empty for its default. Nobody is asked for a passphrase: the
    agent has it, or the key has none. Raises :class:`SignatureError`.
    """
    ran = _gpg(
        home,
        [
            *("--pinentry-mode", "error", "--local-user", fingerprint),
            *("--digest-algo", "SHA256", "--armor", "--output", "-", "--detach-sign"),
        ],
        content,
    )
    if ran.returncode:
        raise SignatureError(f"gpg could not sign: {_last_words(ran)}")
    return ran.stdout


def public_key(fingerprint: str, home: str = "") -> bytes:
    """The armored public key. Raises :class:`SignatureError` where gpg has none of that name."""
    ran = _gpg(home, ["--armor", "--export", fingerprint])
    if ran.returncode or not ran.stdout:
        raise SignatureError(f"gpg has no public key {fingerprint}")
    return ran.stdout


def _import(home: str, keys: bytes) -> None:
    if len(keys) > MAX_KEYS:
        raise SignatureError(f"a file of keys has at most {MAX_KEYS // 1024} KiB")
    ran = _gpg(home, ["--import"], keys)
    if ran.returncode:
        raise SignatureError(f"the keys cannot be read: {_last_words(ran)}")


def _last_words(ran: subprocess.CompletedProcess[bytes]) -> str:
    lines = ran.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else f"exit status {ran.returncode}"


def _gpg(
    home: str, arguments: Sequence[str], given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    options = ["--batch", "--no-tty", "--no-options", "--no-auto-key-retrieve"]
    options += ["--trust-model", "always", *(["--homedir", home] if home else [])]
    try:
        return subprocess.run(
            ["gpg", *options, *arguments],
            input=given,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise MissingToolError("gpg is missing: install GnuPG (Debian's package gnupg)") from error
    except subprocess.TimeoutExpired as error:
        raise SignatureError(f"gpg did not answer within {TIMEOUT} s") from error
