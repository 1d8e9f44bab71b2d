"""A bundle is a function of its revision, and verifying one finds whatever was done to it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_world import MACHINES, World

from frontend import __version__
from machines.emulator.catalogue import CompatProperty
from machines.models import Release, Snapshot, Tree
from policy import audit, edits
from policy.document import CatalogueRef, MachineType, Migration, Policy, canonical
from policy.drafts import fresh
from policy.errors import Invalid
from policy.exporters import globals
from policy.models import Bundle, ChangeRequest, Revision
from policy.packing import archive, index
from policy.publishing import bundle
from policy.review import workflow

APPROVED = int(datetime(2026, 5, 4, 12, 30, tzinfo=UTC).timestamp())


def revision_text(*, machine_types: tuple[str, ...] = ("pc-q35-rhel9.2.0", "pc-i440fx")) -> str:
    """A revision's content: two machine types, one bitmap, one trial, one approval."""
    entries = (CompatProperty("usb-kbd", "serial", "a,b ü"), CompatProperty("nope", "x", "1"))
    policy = Policy(
        "rhel",
        "9.2",
        CatalogueRef("upstream 7.2", "ab" * 32),
        machine_types=tuple(MachineType(name, entries=entries) for name in machine_types),
        migrations=(Migration("rhel 9.2", "rhel 9.3", "correct"),),
    )
    listed = [
        *({"driver": e.driver, "property": e.property, "value": e.value} for e in entries),
        {"driver": "rtc", "property": "vmstate-blacklist", "value": "0x6"},
    ]
    left = [
        {"driver": "nope", "property": "x", "scope": "all", "reason": "no such device type"},
        {"driver": "rtc", "property": "vmstate-blacklist", "scope": "all", "reason": "a bitmap"},
    ]
    derived = {
        "revision": {"number": 3, "parent": "cd" * 32, "published_at": "2026-05-05T00:00:00+00:00"},
        "properties": dict.fromkeys(machine_types, listed),
        "left_out": dict.fromkeys(machine_types, left),
        "approvals": [{"reviewer": "b", "at": "2026-05-04T14:30:00+02:00", "digest": "0"}],
        "trials": [
            {
                "source": "rhel 9.2",
                "destination": "rhel 9.3",
                "machine_type": machine_types[0],
                "expected": "refused",
                "outcome": "refused",
                "key": "0" * 64,
                "result": {"reason": "Bad config | data", "section": "rng", "lost": []},
            }
        ],
    }
    return canonical({"policy": policy.to_json(), "derived": derived})


CONTENT = revision_text()
DIGEST = hashlib.sha256(CONTENT.encode()).hexdigest()


@pytest.fixture(scope="module")
def content() -> bytes:
    return bundle.render(CONTENT).content


def changed(content: bytes, files: dict[str, bytes | None]) -> bytes:
    """The bundle packed again with other files (None: without it), its sums written anew."""
    found = archive.unpack(content)
    new = {**found.files, **files}
    kept = {path: data for path, data in new.items() if data is not None}
    del kept["MANIFEST.sha256"]
    sums = "".join(f"{hashlib.sha256(kept[p]).hexdigest()}  {p}\n" for p in sorted(kept))
    return archive.pack(replace(found, files={**kept, "MANIFEST.sha256": sums.encode()}))


def test_holds_every_form_for_both_targets(content: bytes) -> None:
    files = archive.unpack(content).files
    for target in ("qemu", "lockstep"):
        for name in ("globals.args", "compat.cfg", "domain.xml"):
            assert f"{target}/machine-types/pc-q35-rhel9.2.0/{name}" in files
        for name in ("lockstep-compat.c", "lockstep-compat.h", "query-machines.json"):
            assert f"{target}/{name}" in files
    read = globals.read(files["qemu/machine-types/pc-q35-rhel9.2.0/globals.args"].decode())
    assert [item.driver for item in read] == ["usb-kbd"]
    read = globals.read(files["lockstep/machine-types/pc-q35-rhel9.2.0/globals.args"].decode())
    assert [item.driver for item in read] == ["usb-kbd", "nope", "rtc"]
    assert "| rtc.vmstate-blacklist | all files | a bitmap |" in files["qemu/LEFT_OUT.md"].decode()
    assert "refused; Bad config \\| data; at rng" in files["TRIALS.md"].decode()
    assert hashlib.sha256(files["revision.json"]).hexdigest() == DIGEST


def test_form_of_the_archive(content: bytes) -> None:
    assert content[4:8] == bytes(4), "gzip has a time"
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert {m.name.split("/")[0] for m in members} == {"lockstep-rhel-9.2-r3"}
    assert {(m.uid, m.gid, m.uname, m.gname, m.mode, m.mtime, m.type) for m in members} == {
        (0, 0, "", "", 0o644, APPROVED, tarfile.REGTYPE)
    }


def test_same_bytes_in_any_process(content: bytes) -> None:
    code = (
        "import sys, django; django.setup(); from policy.publishing import bundle;"
        "text = sys.stdin.buffer.read().decode();"
        "print(bundle.render(text).sha256)"
    )
    for seed, zone in (("1", "Pacific/Kiritimati"), ("2", "America/Anchorage")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"}
        environment["DJANGO_SETTINGS_MODULE"] = "frontend.settings"
        ran = subprocess.run(
            [sys.executable, "-c", code],
            input=CONTENT.encode(),
            env=environment,
            capture_output=True,
            check=True,
        )
        assert ran.stdout.decode().strip() == hashlib.sha256(content).hexdigest()


def test_checksums_hold_after_unpacking(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bundle.tar.gz").write_bytes(content)
    subprocess.run(["tar", "-xzf", "bundle.tar.gz"], cwd=tmp_path, check=True)
    folder = tmp_path / "lockstep-rhel-9.2-r3"
    subprocess.run(["sha256sum", "--strict", "-c", "MANIFEST.sha256"], cwd=folder, check=True)
    assert len((folder / "MANIFEST.sha256").read_text().splitlines()) + 1 == sum(
        path.is_file() for path in folder.rglob("*")
    )


def test_whole_bundle_passes(content: bytes) -> None:
    assert bundle.verify(content) == []


def test_every_flipped_bit_is_found(content: bytes) -> None:
    # All of the head, then bits all over the content: a prime step meets every bit position.
    positions = [*range(600), *range(600, len(content) * 8, 997), len(content) * 8 - 1]
    for position in positions:
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        assert bundle.verify(bytes(damaged)), f"bit {position} was missed"


@pytest.mark.parametrize("length", [0, 1, 47, 48, 1000, -1])
def test_cut_or_continued_bundle_is_refused(content: bytes, length: int) -> None:
    assert bundle.verify(content[:length])
    assert bundle.verify(content + b"\0")


FILE = "qemu/machine-types/pc-i440fx/globals.args"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({FILE: b"-global usb-kbd.serial=1\n"}, f"{FILE}: does not follow from the revision"),
        ({FILE: None}, f"{FILE}: is missing"),
        ({"extra.txt": b""}, "extra.txt: does not belong to the bundle"),
        ({FILE: None, "qemu/x": b""}, f"{FILE}: is missing"),
        ({"manifest.json": None}, "'manifest.json' is missing"),
        ({"revision.json": b"{}"}, "the revision has no 'policy'"),
        ({"revision.json": b"[]"}, "the revision is not readable"),
        ({"revision.json": b"[" * 100_000}, "the revision is not readable"),
    ],
)
def test_change_with_new_sums_is_found(
    content: bytes, files: dict[str, bytes | None], problem: str
) -> None:
    assert any(found.startswith(problem) for found in bundle.verify(changed(content, files)))


def test_a_number_without_an_end_is_no_revision(content: bytes) -> None:
    text = CONTENT.replace('"number":3', '"number":-Infinity')
    assert bundle.verify(changed(content, {"revision.json": text.encode()})) != []
    for number in ("1e999", "-Infinity"):
        told = f'{{"schema":1,"serial":{number}}}'
        with pytest.raises(index.IndexFileError):
            index.read(told.encode())


def test_sums_tell_what_is_damaged(content: bytes) -> None:
    found = archive.unpack(content)
    files = {**found.files, "policy.json": b"{}", "more": b""}
    del files[FILE]
    assert set(bundle.verify(archive.pack(replace(found, files=files)))) == {
        "policy.json: is not what MANIFEST.sha256 says",
        "more: is not in MANIFEST.sha256",
        f"{FILE}: is missing",
    }


def test_links_and_paths_that_lead_out_are_refused(content: bytes) -> None:
    with pytest.raises(archive.ArchiveError, match="no safe path"):
        archive.pack(archive.Archive("top", {"../x": b""}, 0))
    for change in ({"name": "top/../x"}, {"type": tarfile.SYMTYPE, "linkname": "/etc"}):
        written = io.BytesIO()
        with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            member = tarfile.TarInfo("top/x")
            for key, value in change.items():
                setattr(member, key, value)
            tar.addfile(member)
        with pytest.raises(archive.ArchiveError, match="no ordinary file with a safe path"):
            archive.unpack(archive.compress(written.getvalue()))


def header(
    kind: bytes = b"0", size: bytes = b"00000000000\0", time: bytes = b"00000000000\0"
) -> bytes:
    """A member's header, also such as no writer of archives makes."""
    ids = b"0000644\0" + b"0000000\0" * 2
    start = b"top/x".ljust(100, b"\0") + ids + size + time
    end = (kind + bytes(100) + b"ustar\x0000").ljust(356, b"\0")
    total = sum(start) + sum(end) + 8 * ord(" ")
    return start + b"%06o\0 " % total + end


def extended(text: str) -> bytes:
    """A header that says something of the member after it, and that member."""
    told = f"{len(text) + 4} {text}\n".encode()
    return header(b"x", b"%011o\0" % len(told)) + told.ljust(512, b"\0") + header()


@pytest.mark.parametrize(
    "tar",
    [
        header(),
        header(b"S")[:386]
        + b"%011o\0%011o\0" % (0, 0)
        + bytes(73)
        + b"\x80\0\0\0\0\0\1"
        + bytes(22),
        header(size=b"\xff" * 12),
        header(size=b"\xff" * 10 + b"\xfc\0"),
        header(size=b"77777777777\0"),
        header(time=b"\x80" + b"\xff" * 11),
        extended("mtime=inf"),
        extended("mtime=nan"),
        extended("GNU.sparse.size=1099511627776"),
        header()[:300],
    ],
)
def test_what_a_tar_s_header_may_say_besides_leads_nowhere(tar: bytes) -> None:
    packed = archive.compress(tar + bytes(1024))
    with pytest.raises(archive.ArchiveError):
        archive.unpack(packed)
    assert len(bundle.verify(packed)) == 1


def test_unsafe_name_of_a_machine_type_gets_a_safe_folder() -> None:
    names = ("a/../../b", "x" * 200, "pc,y", "MANIFEST.sha256")
    built = bundle.render(revision_text(machine_types=names))
    assert bundle.verify(built.content) == []


def test_value_that_no_file_can_hold_is_named() -> None:
    text = CONTENT.replace("a,b ü", 'a\\"b')
    with pytest.raises(bundle.BundleError, match=r"pc-i440fx: usb-kbd\.serial: a -readconfig"):
        bundle.render(text)


def _places(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            found += _places(value, (*path, key))
    return found


@settings(deadline=None)
@given(
    st.sampled_from(_places(json.loads(CONTENT))),
    st.sampled_from([None, True, -1, 2**70, "", "x", "2026-01-01", [], [1], {}, {"x": "y"}]),
)
def test_odd_revision_is_a_clear_error_or_a_whole_bundle(path, value: object) -> None:
    document: Any = {"whole": json.loads(CONTENT)}
    node, keys = document, ("whole", *path)
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    try:
        built = bundle.render(canonical(document["whole"]))
    except bundle.BundleError:
        return
    assert bundle.verify(built.content) == []


@pytest.mark.django_db
def test_stored_once_and_only_of_an_unchanged_revision() -> None:
    user = get_user_model().objects.create_user("release")
    release = Release.objects.create(tree=Tree.objects.create(name="rhel"), version="9.2")
    snapshot = Snapshot.objects.create(release=release, number=1, digest="0" * 64, content=b"")
    revision = Revision.objects.create(
        release=release,
        number=3,
        content=CONTENT,
        digest=DIGEST,
        snapshot=snapshot,
        published_by=user,
        published_at=datetime(2026, 5, 5, tzinfo=UTC),
    )
    first, again = bundle.store(revision), bundle.store(revision)
    assert first == again == Bundle.objects.get()
    assert first.filename == "lockstep-rhel-9.2-r3.tar.gz"
    assert bundle.verify(bytes(first.content)) == []
    revision.content = revision.content.replace("a,b", "a,c")
    with pytest.raises(bundle.BundleError, match="not that of its digest"):
        bundle.build(revision)


@pytest.mark.django_db
def test_value_that_no_bundle_can_hold_is_refused_before() -> None:
    world = World()
    change = world.change()
    arguments = (change, world.maintainer, change.lock_version, MACHINES[0], "foo", "name")
    with pytest.raises(Invalid, match="cannot hold the character"):
        edits.add_entry(*arguments, 'a"b')
    # From a C array it comes without an edit of that entry.
    quoted = MachineType("x", entries=(CompatProperty("foo", "name", 'a"b'),))
    content = change.policy.with_machine_type(quoted).to_json()
    ChangeRequest.objects.filter(pk=change.pk).update(content=content)
    assert "export" in {item.code for item in workflow.blockers(fresh(change))}


@pytest.mark.django_db
def test_published_revision_becomes_a_whole_bundle() -> None:
    head = audit.head()
    revision = World().published()
    derived = json.loads(revision.content)["derived"]
    assert derived["generator"] == {"name": "lockstep", "version": __version__}
    assert derived["audit_head"] not in (head, audit.head())
    stored = bundle.store(revision)
    assert bundle.verify(bytes(stored.content)) == []
