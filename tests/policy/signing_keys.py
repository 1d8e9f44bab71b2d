"""Throw-away OpenPGP keys for tests, each with a gpg home and an agent of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from policy.packing import signatures


@dataclass(frozen=True)
class TestKey:
    """A key that gpg's agent has: ``home`` is gpg's, ``public`` the armored public key."""

    __test__ = False
    home: str
    fingerprint: str
    public: bytes

    def sign(self, content: bytes) -> bytes:
        return signatures.sign(content, self.fingerprint, self.home)


def gpg(home: str, *arguments: str) -> bytes:
    command = ["gpg", "--homedir", home, "--batch", "--no-tty", *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout


@contextmanager
def made_key(expires: str = "never") -> Iterator[TestKey]:
    # Not pytest's folder: the path of an agent's socket is short.
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        create = ("--passphrase", "", "--quick-generate-key", "Release <release@example.org>")
        gpg(home, *create, "ed25519", "sign", expires)
        public = gpg(home, "--armor", "--export")
        try:
            yield TestKey(home, signatures.keys_in(public)[0].fingerprint, public)
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
