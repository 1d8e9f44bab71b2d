"""Is a bundle whole? What is wrong with it in words, and the command that a package build runs.

    python3 lockstep-verify.pyz --keys signing-key.asc lockstep-rhel-9.2-r1.tar.gz

Exit status: 0 whole, 1 not (standard output says why), 2 it could not be asked (standard error).
The standard library and, for signatures, ``gpg`` are all that it needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from machines.emulator.terminal import harmless
from policy.document import differences
from policy.packing import archive, index, signatures
from policy.packing.content import MANIFEST, REVISION, SCHEMA, SUMS, archive_of
from policy.packing.published import BundleError, Published, read

_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def problems(content: bytes) -> list[str]:
    """What is wrong with a bundle's bytes, in words; empty where it is whole.

    Damage is found by the sums, anything else by making the files again from the revision inside:
    no file may be missing, added, renamed or differ, and no byte of the archive may. What is
    derived in the revision has to follow from its policy. Nothing is written to disk.
    """
    try:
        found = archive.unpack(content)
    except archive.ArchiveError as error:
        return [str(error)]
    if damaged := _check_sums(found.files):
        return damaged
    try:
        expected = archive_of(_revision_in(found.files))
    except BundleError as error:
        return [str(error)]
    return _differences(expected, found)


def revision_of(content: bytes) -> Published:
    """The revision inside a bundle. Raises ArchiveError and :class:`BundleError`."""
    return read(_revision_in(archive.unpack(content).files))


def previous_problems(content: bytes, previous: bytes) -> list[str]:
    """Does the bundle follow the one before, and does it tell rightly what it changes?

    Both have to be whole: ask :func:`problems` first.
    """
    new, old = revision_of(content), revision_of(previous)
    if new.parents != [old.digest]:
        return [f"{new.label} does not follow {old.label}"]
    changed = [vars_of(item) for item in differences.compare(old.policy, new.policy)]
    if new.list("changes") != changed:
        return ["CHANGES.md: does not tell what changed against the bundle before"]
    return []


def vars_of(item: differences.Difference) -> dict[str, str]:
    """A difference as a revision records it."""
    return {
        name: getattr(item, name) for name in ("group", "label", "kind", "before", "after", "note")
    }


# --- The parts ------------------------------------------------------------------------------------


def _check_sums(files: Mapping[str, bytes]) -> list[str]:
    if SUMS not in files:
        return [f"{SUMS} is missing"]
    listed: dict[str, str] = {}
    for number, line in enumerate(files[SUMS].decode("utf-8", "replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in listed:
            return [f"{SUMS}, line {number}: is no checksum, or one that is there twice"]
        listed[match[2]] = match[1]
    found = [f"{path}: is missing" for path in listed if path not in files]
    for path, content in files.items():
        if path == SUMS:
            continue
        if path not in listed:
            found.append(f"{path}: is not in {SUMS}")
        elif hashlib.sha256(content).hexdigest() != listed[path]:
            found.append(f"{path}: is not what {SUMS} says")
    return found


def _revision_in(files: Mapping[str, bytes]) -> str:
    """The text of the revision inside a bundle of the form that this program writes."""
    try:
        form = json.loads(files[MANIFEST])["schema"]
        if form != SCHEMA:
            raise BundleError(f"{MANIFEST}: schema {form!r:.20} is not {SCHEMA}")
        return files[REVISION].decode()
    except KeyError as error:
        raise BundleError(f"{error} is missing") from error
    except BundleError:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} or {REVISION} is not readable: {error}") from error


def _differences(expected: archive.Archive, found: archive.Archive) -> list[str]:
    said = [f"{path}: is missing" for path in expected.files if path not in found.files]
    for path, content in found.files.items():
        if path not in expected.files:
            said.append(f"{path}: does not belong to the bundle")
        elif content != expected.files[path]:
            said.append(f"{path}: does not follow from the revision")
    if found.top != expected.top:
        said.append(f"the top folder is {found.top}, not {expected.top}")
    if found.time != expected.time:
        said.append("the files are not dated as the last approval")
    return said


# --- The command ----------------------------------------------------------------------------------


class _UsageError(Exception):
    """The question cannot be answered: a file is missing, an option lacks another."""


@dataclass(slots=True)
class _Answer:
    """What was found: ``problems`` refuse the bundle, ``facts`` are told besides."""

    problems: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None, program: str = "lockstep-verify") -> int:
    """Run the command; returns its exit status. ``program`` is what the help calls it."""
    options = _parser(program).parse_args(arguments)
    try:
        answer = _answer(options)
    except (_UsageError, signatures.MissingToolError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.json:
        told = {"whole": not answer.problems, "problems": answer.problems, **answer.facts}
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        lines = answer.problems or [f"{options.bundle}: whole"]
        lines += [f"{name.replace('_', ' ')}: {value}" for name, value in answer.facts.items()]
        sys.stdout.write("".join(f"{_one_line(line)}\n" for line in lines))
    return 1 if answer.problems else 0


def _one_line(text: str) -> str:
    """A bundle's or an index's words, which may come from anybody, say no line of their own."""
    return harmless(" ".join(text.splitlines()))


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program, description="Is a bundle of a migration policy whole and genuine?"
    )
    add = parser.add_argument
    add("bundle", help="the bundle, lockstep-<tree>-<version>-r<revision>.tar.gz")
    add("--keys", metavar="FILE", help="public keys: the bundle's signature has to be by one")
    add("--signature", metavar="FILE", help="the detached signature (default: <bundle>.asc)")
    add("--index", metavar="FILE", help="the signed index of bundles: is this one revoked?")
    add("--index-signature", metavar="FILE", help="its signature (default: <index>.asc)")
    add("--serial", type=int, default=0, metavar="N", help="the newest index seen so far")
    add("--previous", metavar="FILE", help="the bundle before: is CHANGES.md true?")
    add("--json", action="store_true", help="answer in JSON")
    return parser


def _answer(options: argparse.Namespace) -> _Answer:
    content = _bytes(options.bundle)
    answer = _Answer(facts={"sha256": hashlib.sha256(content).hexdigest()})
    if options.keys:
        signature = _bytes(options.signature or f"{options.bundle}.asc")
        _signed(answer, "signed_by", content, signature, _bytes(options.keys))
    if options.index:
        _indexed(answer, options, content)
    # Nothing of a bundle is looked into that somebody else may have made.
    if not answer.problems:
        answer.problems += problems(content)
    if options.previous and not answer.problems:
        previous = _bytes(options.previous)
        before = [f"the bundle before: {text}" for text in problems(previous)]
        answer.problems += before or previous_problems(content, previous)
    return answer


def _indexed(answer: _Answer, options: argparse.Namespace, content: bytes) -> None:
    if not options.keys:
        raise _UsageError("--index needs --keys: an index that nobody signed says nothing")
    told = _bytes(options.index)
    signature = _bytes(options.index_signature or f"{options.index}.asc")
    if not _signed(answer, "index_signed_by", told, signature, _bytes(options.keys)):
        return
    try:
        listed = index.read(told)
    except index.IndexFileError as error:
        answer.problems.append(str(error))
        return
    answer.facts["index_serial"] = str(listed.serial)
    sha256 = hashlib.sha256(content).hexdigest()
    answer.problems += index.problems(listed, sha256, datetime.now(UTC), options.serial)
    if newer := index.newer(listed, sha256):
        answer.facts["newer"] = newer


def _signed(answer: _Answer, fact: str, content: bytes, signature: bytes, keys: bytes) -> bool:
    try:
        answer.facts[fact] = signatures.verify(content, signature, keys)
    except signatures.SignatureError as error:
        answer.problems.append(str(error))
        return False
    return True


def _bytes(name: str) -> bytes:
    path = Path(name)
    try:
        if path.stat().st_size > archive.MAX_PACKED:
            raise _UsageError(f"{path}: is larger than {archive.MAX_PACKED // 2**20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise _UsageError(f"{path}: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
