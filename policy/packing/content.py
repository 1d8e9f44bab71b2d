"""The files of a revision's bundle: a function of the revision's content and nothing else.

    manifest.json  MANIFEST.sha256  provenance.json  revision.json
    policy.json  policy.yaml  policy.schema.json
    README.txt  LICENSE.txt  CHANGES.md  MITIGATIONS.md  TRIALS.md  trials.json
    <target>/lockstep-compat.{c,h}  <target>/query-machines.json
    <target>/machine-types/<machine type>/{globals.args,compat.cfg,domain.xml}
    <target>/mitigations/<tree>/<version>/<machine type>/…                 the same three
    qemu/LEFT_OUT.md

docs/reference/bundle-format.md describes each.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from machines.emulator.catalogue import CompatProperty
from policy.document.differences import Difference
from policy.exporters import (
    ExportError,
    c_array,
    changes,
    formats,
    mitigations,
    provenance,
    query_machines,
    schema,
    target,
    trials,
    yaml,
)
from policy.exporters import json as policy_json
from policy.packing import archive
from policy.packing.published import BundleError, Published, read, runs_of

#: Raised when files are added or their form changes: a bundle is verified by its own form.
SCHEMA = 2
MANIFEST, SUMS, REVISION = "manifest.json", "MANIFEST.sha256", "revision.json"
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

CHANGES.md      what is new, and what there is to do
qemu/           for QEMU: what this release's QEMU has properties for (see LEFT_OUT.md in it)
lockstep/       for Lockstep's emulator: all properties, the blacklist bitmaps too
MITIGATIONS.md  guests that need further properties on their destination
policy.yaml     the policy itself; policy.json the same, as canonical JSON
TRIALS.md       the trial migrations that prove it; provenance.json who answers for it
revision.json   the revision, whose SHA-256 is its name: {digest}

For each machine type, under machine-types/:
  globals.args  -global arguments:  xargs -x -a globals.args qemu-system-x86_64 -M NAME
  compat.cfg    qemu-system-x86_64 -M NAME -readconfig compat.cfg
  domain.xml    a libvirt domain to merge into yours
For all of them:
  lockstep-compat.c, lockstep-compat.h  GlobalProperty arrays for a patch
  query-machines.json                   what QMP's query-machines would answer

Check: sha256sum -c MANIFEST.sha256
"""


@dataclass(frozen=True, slots=True)
class BuiltBundle:
    """A finished bundle: ``sha256`` (hex) is that of ``content``."""

    filename: str
    content: bytes
    sha256: str


def render(content: str) -> BuiltBundle:
    """The bundle of a revision's content. Pure: no database, no clock, no machine.

    Raises :class:`BundleError` that names the fault.
    """
    packed = archive_of(content)
    try:
        written = archive.pack(packed)
    except archive.ArchiveError as error:
        raise BundleError(str(error)) from error
    return BuiltBundle(f"{packed.top}.tar.gz", written, hashlib.sha256(written).hexdigest())


def archive_of(content: str) -> archive.Archive:
    """The bundle of a revision's content, not yet packed. Raises :class:`BundleError`."""
    published = read(content)
    policy = published.policy
    return archive.Archive(
        top=f"lockstep-{policy.tree}-{policy.version}-r{published.number}",
        files=_files(published),
        time=published.time,
    )


def file_stem(name: str) -> str:
    """A folder's name: the machine type's or release's, or one made of it where that is no path."""
    if re.fullmatch(rf"[A-Za-z0-9_][A-Za-z0-9._+-]{{0,{_MAX_STEM}}}", name):
        return name
    readable = re.sub(r"[^A-Za-z0-9_]", "_", name)[:40] or "_"
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _files(published: Published) -> dict[str, bytes]:
    policy, derived = published.policy, published.derived
    try:
        recorded = derived["trials"]
        texts = {
            "README.txt": README.format(label=published.label, digest=published.digest),
            "LICENSE.txt": LICENSE_NOTE,
            "CHANGES.md": _changes(published),
            "MITIGATIONS.md": mitigations.report(policy, _mitigation_folders(published)),
            REVISION: published.content,
            "provenance.json": provenance.export(policy, published.digest, derived),
            "policy.json": policy_json.export(policy),
            "policy.yaml": yaml.export(policy),
            "policy.schema.json": schema.text(),
            "trials.json": trials.export(recorded),
            "TRIALS.md": trials.report(published.label, recorded),
            **_for_lockstep(published),
            **_for_qemu(published, _left_out(published)),
        }
        files = {path: text.encode() for path, text in texts.items()}
        files[MANIFEST] = _manifest(published, files)
        files[SUMS] = _sums(files)
    except KeyError as error:
        raise BundleError(f"the revision has no {error}") from error
    except (AttributeError, TypeError) as error:
        raise BundleError(f"the revision's derived part is at fault: {error}") from error
    return files


def _changes(published: Published) -> str:
    listed = [Difference(**item) for item in published.list("changes")]
    parent = next(iter(published.parents), "")
    return changes.report(published.label, parent, published.policy, listed)


# --- The two targets ------------------------------------------------------------------------------

LeftOut = Mapping[str, tuple[target.LeftOut, ...]]
#: Whose properties they are (a machine type), and what is chosen of them: see target.without.
_Choice = Callable[
    [str, Sequence[CompatProperty], frozenset[target.Scope]], Sequence[CompatProperty]
]


def _left_out(published: Published) -> dict[str, tuple[target.LeftOut, ...]]:
    return {
        name: tuple(target.LeftOut(**item) for item in listed)
        for name, listed in published.derived["left_out"].items()
    }


def _for_lockstep(published: Published) -> dict[str, str]:
    """Every property, the bitmaps too."""
    return dict(_target("lockstep", published, lambda name, listed, scopes: listed))


def _for_qemu(published: Published, recorded: LeftOut) -> dict[str, str]:
    """What QEMU has properties for, and the list of what it has none for."""

    def chosen(
        name: str, listed: Sequence[CompatProperty], scopes: frozenset[target.Scope]
    ) -> Sequence[CompatProperty]:
        return target.without(listed, recorded.get(name, ()), scopes)

    report = target.report({name: recorded.get(name, ()) for name in published.sets})
    return {**dict(_target("qemu", published, chosen)), "qemu/LEFT_OUT.md": report}


def _target(folder: str, published: Published, choose: _Choice) -> Iterator[tuple[str, str]]:
    """The files of one target, each format with its own choice of properties."""
    built_in = {
        name: choose(name, listed, formats.BUILT_IN) for name, listed in published.sets.items()
    }
    yield f"{folder}/query-machines.json", query_machines.export(built_in)
    runs = {name: _chosen_runs(published, name, choose) for name in published.sets}
    yield f"{folder}/{c_array.SOURCE_NAME}", c_array.export(runs)
    yield f"{folder}/{c_array.HEADER_NAME}", c_array.header(runs)
    for name, listed in published.sets.items():
        yield from _machine_type(f"{folder}/machine-types/{file_stem(name)}", name, listed, choose)
    places = _mitigation_folders(published)
    for guests, listed in mitigations.sets(published.policy).items():
        yield from _machine_type(f"{folder}/{places[guests]}", guests[1], listed, choose)


def _machine_type(
    folder: str, name: str, listed: Sequence[CompatProperty], choose: _Choice
) -> Iterator[tuple[str, str]]:
    chosen = choose(name, listed, formats.COMMAND_LINE)
    for filename, exporter in formats.FORMATS.items():
        try:
            yield f"{folder}/{filename}", exporter(name, chosen)
        except ExportError as error:
            raise BundleError(f"{name}: {error}") from error


def _chosen_runs(published: Published, name: str, choose: _Choice) -> list[c_array.Run]:
    """The machine type's arrays, its bitmaps as the last; empty ones are none."""
    runs = runs_of(published.policy, name)
    bitmaps = published.sets[name][sum(len(run.entries) for run in runs) :]
    runs.append(c_array.Run(f"{name}.bitmaps", bitmaps))
    chosen = [
        c_array.Run(run.origin, tuple(choose(name, run.entries, formats.BUILT_IN))) for run in runs
    ]
    return [run for run in chosen if run.entries]


def _mitigation_folders(published: Published) -> dict[mitigations.Guests, str]:
    """The folder of each mitigation's set, within a target's: ``mitigations/rhel/9.2/…``."""
    folders = {}
    for started_on, name in mitigations.sets(published.policy):
        tree, _, version = started_on.partition(" ")
        places = ("mitigations", *map(file_stem, (tree, version, name)))
        folders[started_on, name] = "/".join(places)
    return folders


# --- What is in it --------------------------------------------------------------------------------


def _manifest(published: Published, files: Mapping[str, bytes]) -> bytes:
    policy = published.policy
    document = {
        "schema": SCHEMA,
        "tree": policy.tree,
        "release": policy.version,
        "revision": published.number,
        "revision_digest": published.digest,
        "parents": published.parents,
        "policy_digest": policy.digest,
        "base": asdict(policy.base),
        "published_at": published.published_at,
        "source_date_epoch": published.time,
        "machine_types": [
            {"name": name, "folder": file_stem(name), "properties": len(listed)}
            for name, listed in published.sets.items()
        ],
        "mitigations": [
            {"started_on": started_on, "machine_type": name, "folder": folder}
            for (started_on, name), folder in _mitigation_folders(published).items()
        ],
        "files": {
            path: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in files.items()
        },
    }
    return (json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def _sums(files: Mapping[str, bytes]) -> bytes:
    """``MANIFEST.sha256`` as ``sha256sum -c`` reads it; names no file that was added later."""
    return "".join(
        f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files)
    ).encode()
