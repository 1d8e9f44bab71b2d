"""The bundle of a revision: what a package build downloads, checks and installs.

A bundle is a function of the revision's content and nothing else, so that the same revision gives
the same bytes whoever builds it and when. :func:`verify` uses that: it builds the bundle again from
the revision inside, and every file has to come out the same. docs/reference/bundle-format.md
describes the files.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from machines.emulator.catalogue import CompatProperty
from policy.audit import record
from policy.document import DocumentError, Policy, canonical, from_json
from policy.exporters import ExportError, archive, c_array, formats, target, trials
from policy.exporters import json as policy_json
from policy.models import Bundle, Revision

#: Raised when files are added or their form changes: a bundle is verified by its own format.
FORMAT = 1
_MAX_STEM = 80

LICENSE_NOTE = """\
The property sets, the policy and the trial report in this bundle are the work of those who
decided them: the downstream that this policy belongs to grants the right to use, change and pass
them on together with the QEMU packages that they are made for.

They were written by Lockstep, the migration policy editor for QEMU downstreams, which is under
the Apache License 2.0. The licence of the program does not extend to what it writes. No source
code of QEMU is in this bundle.
"""

README = """\
Migration policy of {label}

qemu/        for QEMU: what this release's QEMU has properties for (see LEFT_OUT.md in it)
lockstep/    for Lockstep's emulator: all properties, the blacklist bitmaps too
policy.json  the policy itself      trials.json, TRIALS.md  the trial migrations
revision.json  the revision, whose SHA-256 is its name: {digest}

For each machine type:
  globals.args  -global arguments:  xargs -x -a globals.args qemu-system-x86_64 -M NAME
  compat.cfg    qemu-system-x86_64 -M NAME -readconfig compat.cfg
  compat.c      a GlobalProperty array for a patch, declared in lockstep-compat.h

Check: sha256sum -c SHA256SUMS
"""


class BundleError(ValueError):
    """A bundle cannot be built from this revision, or a file is no bundle."""


@dataclass(frozen=True, slots=True)
class BuiltBundle:
    """A finished bundle: ``sha256`` (hex) is that of ``content``."""

    filename: str
    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class _Published:
    """A revision as its content tells of it. ``time`` (Unix) is that of the last approval."""

    content: str
    policy: Policy
    derived: Mapping[str, Any]
    number: int
    published_at: str
    time: int

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content.encode()).hexdigest()


def build(revision: Revision) -> BuiltBundle:
    """The bundle of a published revision. Raises :class:`BundleError` that names the fault."""
    if hashlib.sha256(revision.content.encode()).hexdigest() != revision.digest:
        raise BundleError(f"{revision}: the content is not that of its digest {revision.digest}")
    return render(revision.content)


def store(revision: Revision) -> Bundle:
    """Build and keep the revision's bundle; the one that is kept already, if there is one."""
    built = build(revision)
    with transaction.atomic():
        bundle, created = Bundle.objects.get_or_create(
            revision=revision,
            defaults={
                "filename": built.filename,
                "content": built.content,
                "size": len(built.content),
                "sha256": built.sha256,
            },
        )
        if created:
            record(None, "build bundle", bundle, after={"sha256": built.sha256})
    return bundle


# --- What is in it --------------------------------------------------------------------------------


def render(content: str) -> BuiltBundle:
    """The bundle of a revision's content. Pure: no database, no clock, no machine."""
    published = _parse(content)
    policy = published.policy
    packed = archive.Archive(
        top=f"lockstep-{policy.tree}-{policy.version}-r{published.number}",
        files=_files(published),
        time=published.time,
    )
    try:
        written = archive.pack(packed)
    except archive.ArchiveError as error:
        raise BundleError(str(error)) from error
    return BuiltBundle(f"{packed.top}.tar.gz", written, hashlib.sha256(written).hexdigest())


def _parse(content: str) -> _Published:
    try:
        document = json.loads(content)
        policy, derived = from_json(document["policy"]), document["derived"]
        if canonical(document) != content:
            raise BundleError("the revision is not in canonical form")
        published_at = derived["revision"]["published_at"]
        times = [item["at"] for item in derived.get("approvals", ())] or [published_at]
        return _Published(
            content=content,
            policy=policy,
            derived=derived,
            number=int(derived["revision"]["number"]),
            published_at=published_at,
            time=max(map(_unix_time, times)),
        )
    except DocumentError as error:
        raise BundleError(f"the revision is at fault: {error}") from error
    except KeyError as error:
        raise BundleError(f"the revision has no {error}") from error
    except BundleError:
        raise
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"the revision is not readable: {error}") from error


def _unix_time(text: str) -> int:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:  # it would be another moment on another machine
        raise ValueError(f"the time {text:.40} has no zone")
    return int(time.timestamp())


def _files(published: _Published) -> dict[str, bytes]:
    policy, derived = published.policy, published.derived
    label = f"{policy.label} revision {published.number}"
    try:
        sets = {
            name: tuple(_property(item) for item in listed)
            for name, listed in derived["properties"].items()
        }
        recorded = derived["trials"]
        texts = {
            "README.txt": README.format(label=label, digest=published.digest),
            "LICENSE.txt": LICENSE_NOTE,
            "revision.json": published.content,
            "policy.json": policy_json.export(policy),
            "trials.json": trials.export(recorded),
            "TRIALS.md": trials.report(label, recorded),
            **_for_lockstep(sets),
            **_for_qemu(sets, _left_out(derived)),
        }
    except KeyError as error:
        raise BundleError(f"the revision has no {error}") from error
    except (AttributeError, TypeError) as error:
        raise BundleError(f"the revision's derived part is at fault: {error}") from error
    files = {path: text.encode() for path, text in texts.items()}
    files["manifest.json"] = _manifest(published, sets, files)
    files["SHA256SUMS"] = _sums(files)
    return files


def _property(item: Mapping[str, str]) -> CompatProperty:
    return CompatProperty(item["driver"], item["property"], item["value"])


def _left_out(derived: Mapping[str, Any]) -> dict[str, tuple[target.LeftOut, ...]]:
    return {
        name: tuple(target.LeftOut(**item) for item in listed)
        for name, listed in derived["left_out"].items()
    }


Sets = Mapping[str, tuple[CompatProperty, ...]]


def _for_lockstep(sets: Sets) -> dict[str, str]:
    """Every property, the bitmaps too."""
    return _target("lockstep", {name: dict.fromkeys(formats.FORMATS, sets[name]) for name in sets})


def _for_qemu(sets: Sets, recorded: Mapping[str, tuple[target.LeftOut, ...]]) -> dict[str, str]:
    """What QEMU has properties for, and the list of what it has none for."""
    left_out = {name: recorded.get(name, ()) for name, listed in sets.items()}
    texts = _target(
        "qemu",
        {
            name: {
                filename: target.without(listed, left_out[name], formats.SCOPES[filename])
                for filename in formats.FORMATS
            }
            for name, listed in sets.items()
        },
    )
    return {**texts, "qemu/LEFT_OUT.md": target.report(left_out)}


def _target(
    folder: str, sets: Mapping[str, Mapping[str, Sequence[CompatProperty]]]
) -> dict[str, str]:
    """The files of one target: by machine type, each format with its own choice of properties."""
    names = c_array.identifiers(list(sets))
    texts = {f"{folder}/{c_array.HEADER_NAME}": c_array.header(names.values())}
    for machine_type, chosen in sets.items():
        for filename, properties in chosen.items():
            try:
                text = formats.export(filename, machine_type, properties, names[machine_type])
            except ExportError as error:
                raise BundleError(f"{machine_type}: {error}") from error
            texts[f"{folder}/{file_stem(machine_type)}/{filename}"] = text
    return texts


def file_stem(machine_type: str) -> str:
    """The folder of a machine type: its name, or one made of it where that is no safe path."""
    if re.fullmatch(rf"[A-Za-z0-9_][A-Za-z0-9._+-]{{0,{_MAX_STEM}}}", machine_type):
        return machine_type
    readable = re.sub(r"[^A-Za-z0-9_]", "_", machine_type)[:40]
    return f"{readable}-{hashlib.sha256(machine_type.encode()).hexdigest()[:16]}"


def _manifest(published: _Published, sets: Sets, files: Mapping[str, bytes]) -> bytes:
    policy = published.policy
    document = {
        "format": FORMAT,
        "tree": policy.tree,
        "release": policy.version,
        "revision": published.number,
        "revision_digest": published.digest,
        "parent_digest": published.derived["revision"].get("parent", ""),
        "policy_digest": policy.digest,
        "base": asdict(policy.base),
        "published_at": published.published_at,
        "machine_types": [
            {"name": name, "folder": file_stem(name), "properties": len(listed)}
            for name, listed in sets.items()
        ],
        "files": {
            path: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in files.items()
        },
    }
    return (json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def _sums(files: Mapping[str, bytes]) -> bytes:
    """``SHA256SUMS`` as ``sha256sum -c`` reads it; names no file that was added later."""
    return "".join(
        f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)
    ).encode()


# --- Is it whole? ---------------------------------------------------------------------------------


def verify(content: bytes) -> list[str]:
    """What is wrong with a bundle's bytes, in words; empty where it is whole.

    Damage is found by the sums, anything else by building the bundle again from the revision
    inside: no file may be missing, added, renamed or differ, and no byte of the archive may.
    Nothing is written or unpacked to disk.
    """
    try:
        found = archive.unpack(content)
    except archive.ArchiveError as error:
        return [str(error)]
    if problems := _check_sums(found.files):
        return problems
    try:
        built = render(_revision_in(found.files))
    except BundleError as error:
        return [str(error)]
    return _differences(archive.unpack(built.content), found)


def _check_sums(files: Mapping[str, bytes]) -> list[str]:
    if "SHA256SUMS" not in files:
        return ["SHA256SUMS is missing"]
    listed: dict[str, str] = {}
    for number, line in enumerate(files["SHA256SUMS"].decode("utf-8", "replace").splitlines(), 1):
        match = re.fullmatch(r"([0-9a-f]{64})  (\S.*)", line)
        if match is None or match[2] in listed:
            return [f"SHA256SUMS, line {number}: is no checksum, or one that is there twice"]
        listed[match[2]] = match[1]
    problems = [f"{path}: is missing" for path in listed if path not in files]
    for path, content in files.items():
        if path == "SHA256SUMS":
            continue
        if path not in listed:
            problems.append(f"{path}: is not in SHA256SUMS")
        elif hashlib.sha256(content).hexdigest() != listed[path]:
            problems.append(f"{path}: is not what SHA256SUMS says")
    return problems


def _revision_in(files: Mapping[str, bytes]) -> str:
    """The text of the revision inside a bundle of the format that this program writes."""
    try:
        form = json.loads(files["manifest.json"])["format"]
        if form != FORMAT:
            raise BundleError(f"manifest.json: format {form!r:.20} is not {FORMAT}")
        return files["revision.json"].decode()
    except KeyError as error:
        raise BundleError(f"{error} is missing") from error
    except BundleError:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"manifest.json or revision.json is not readable: {error}") from error


def _differences(expected: archive.Archive, found: archive.Archive) -> list[str]:
    problems = [f"{path}: is missing" for path in expected.files if path not in found.files]
    for path, content in found.files.items():
        if path not in expected.files:
            problems.append(f"{path}: does not belong to the bundle")
        elif content != expected.files[path]:
            problems.append(f"{path}: does not follow from the revision")
    if found.top != expected.top:
        problems.append(f"the top folder is {found.top}, not {expected.top}")
    if found.time != expected.time:
        problems.append("the files are not dated as the last approval")
    return problems
