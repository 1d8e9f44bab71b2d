"""The verifying command, as a package build runs it: one file, a plain Python, and gpg."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from signing_keys import TestKey, made_key
from test_bundle import CONTENT, changed, revision_text

from machines.emulator.catalogue import CompatProperty
from policy.document import (
    CatalogueRef,
    MachineType,
    Mitigation,
    Override,
    Policy,
    canonical,
    differences,
    from_json,
)
from policy.exporters import c_array, formats, globals, libvirt
from policy.packing import archive, comparing, content, index, standalone, verifying


@pytest.fixture(scope="module")
def key() -> Iterator[TestKey]:
    with made_key() as made:
        yield made


@pytest.fixture(scope="module")
def built() -> content.BuiltBundle:
    return content.render(CONTENT)


@pytest.fixture
def folder(tmp_path: Path, built: content.BuiltBundle, key: TestKey) -> Path:
    """What a packaging repository and a download hold: verifier, keys, bundle, signature."""
    (tmp_path / standalone.NAME).write_bytes(standalone.archive())
    (tmp_path / "keys.asc").write_bytes(key.public)
    (tmp_path / "bundle.tar.gz").write_bytes(built.content)
    (tmp_path / "bundle.tar.gz.asc").write_bytes(key.sign(built.content))
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # -I and -S: no installed package, no folder of this project.
    command = [sys.executable, "-I", "-S", standalone.NAME, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_genuine_bundle(folder: Path, key: TestKey, built: content.BuiltBundle) -> None:
    ran = run(folder, "--json", "--keys", "keys.asc", "bundle.tar.gz")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == {
        "whole": True,
        "problems": [],
        "sha256": built.sha256,
        "signed_by": key.fingerprint,
    }
    assert "bundle.tar.gz: whole" in run(folder, "bundle.tar.gz").stdout


def test_a_bundle_of_somebody_else_is_not_even_read(folder: Path) -> None:
    with made_key() as other:
        (folder / "keys.asc").write_bytes(other.public)
    ran = run(folder, "--keys", "keys.asc", "bundle.tar.gz")
    assert ran.returncode == 1
    assert ran.stdout.startswith("the signature is by none of the given keys\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nothing.tar.gz"], "nothing.tar.gz: No such file"),
        (["--keys", "keys.asc", "keys.asc"], "keys.asc.asc: No such file"),
        (["--index", "index.json", "bundle.tar.gz"], "--index needs --keys"),
        ([], "usage"),
    ],
)
def test_what_cannot_be_asked(folder: Path, arguments: list[str], problem: str) -> None:
    ran = run(folder, *arguments)
    assert ran.returncode == 2
    assert problem in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_missing_gpg_is_named(folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-I", standalone.NAME, "--keys", "keys.asc", "bundle.tar.gz"],
        cwd=folder,
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (
        2,
        "gpg is missing: install GnuPG (Debian's package gnupg)\n",
    )


def write_index(folder: Path, key: TestKey, sha256: str, *, revoked: bool, days: int = 30) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    entry = {"file": "bundle.tar.gz", "tree": "rhel", "release": "9.2", "revision": 3}
    entry |= {"revision_digest": "0", "sha256": sha256, "size": 1, "published_at": "then"}
    newer = {**entry, "file": "newer.tar.gz", "revision": 4, "sha256": "1"}
    gone = {"file": "bundle.tar.gz", "sha256": sha256, "at": "then", "reason": "wrong vectors"}
    text = index.export(
        index.Index(5, now, now + timedelta(days=days), (entry, newer), (gone,) * revoked)
    ).encode()
    (folder / "index.json").write_bytes(text)
    (folder / "index.json.asc").write_bytes(key.sign(text))


def test_an_index_tells_what_is_newer_and_what_is_revoked(
    folder: Path, key: TestKey, built: content.BuiltBundle
) -> None:
    arguments = ["--keys", "keys.asc", "--index", "index.json", "bundle.tar.gz"]
    write_index(folder, key, built.sha256, revoked=False)
    ran = run(folder, *arguments)
    assert ran.returncode == 0, ran.stdout
    assert "newer: newer.tar.gz" in ran.stdout
    assert run(folder, "--serial", "6", *arguments).returncode == 1
    write_index(folder, key, built.sha256, revoked=True)
    assert "was revoked (then): wrong vectors" in run(folder, *arguments).stdout
    write_index(folder, key, built.sha256, revoked=False, days=-1)
    assert "has expired" in run(folder, *arguments).stdout
    (folder / "index.json").write_bytes((folder / "index.json").read_bytes() + b" ")
    assert "not of these bytes" in run(folder, *arguments).stdout


def test_the_file_is_the_same_wherever_it_is_made() -> None:
    again = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from policy.packing import standalone;"
            "sys.stdout.buffer.write(standalone.archive())",
        ],
        capture_output=True,
        check=True,
    )
    assert again.stdout == standalone.archive()
    assert not any("django" in path or "models" in path for path in standalone.sources())


# --- What does not follow from the policy ---------------------------------------------------------


def revised(alter) -> list[str]:  # type: ignore[no-untyped-def]
    """What is said of a bundle whose revision was altered, and all files and sums with it."""
    document = json.loads(CONTENT)
    alter(document)
    return verifying.problems(
        changed(content.render(CONTENT).content, {"revision.json": canonical(document).encode()})
    )


def test_sets_have_to_follow_from_the_policy() -> None:
    def other_value(document: dict) -> None:
        document["derived"]["properties"]["pc-i440fx"][0]["value"] = "other"

    def no_machine(document: dict) -> None:
        del document["derived"]["properties"]["pc-i440fx"]

    def smuggled(document: dict) -> None:
        entry = {"driver": "a", "property": "b", "value": "c"}
        document["derived"]["properties"]["pc-i440fx"].append(entry)

    def relaxed(document: dict) -> None:
        item = Override("rtc", "rtc", 2, "relax", "why")
        document["policy"]["overrides"] = [asdict(item)]

    def unknown(document: dict) -> None:
        document["policy"]["more"] = 1

    assert "pc-i440fx does not set what its machine types" in revised(other_value)[0]
    assert "'pc-i440fx' is a machine type of one of them only" in revised(no_machine)[0]
    assert "pc-i440fx does not set" in revised(smuggled)[0]
    assert "rtc.vmstate-blacklist forbids version 2" in revised(relaxed)[0]
    assert "policy.more: its schema knows no such thing" in revised(unknown)[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "lockstep-rhel-9.2-r3/../../etc/x"}, "safe path"),
        ({"name": "/etc/x"}, "safe path"),
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "ordinary file"),
        ({"type": tarfile.LNKTYPE, "linkname": "lockstep-rhel-9.2-r3/README.txt"}, "ordinary file"),
        ({"type": tarfile.CHRTYPE}, "ordinary file"),
        ({"type": tarfile.DIRTYPE}, "ordinary file"),
        ({"name": "other/x"}, "one top folder"),
        ({"uid": 1000}, "not in the one form"),
        ({"mode": 0o755}, "not in the one form"),
    ],
)
def test_a_member_that_does_not_belong_is_refused_before_anything_is_unpacked(
    change: dict, reason: str, built: content.BuiltBundle
) -> None:
    found = archive.unpack(built.content)
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(found.files):
            member = tarfile.TarInfo(f"{found.top}/{path}")
            member.size, member.mtime, member.mode = len(found.files[path]), found.time, 0o644
            tar.addfile(member, io.BytesIO(found.files[path]))
        added = tarfile.TarInfo(f"{found.top}/x")
        added.mtime, added.mode = found.time, 0o644
        for name, value in change.items():
            setattr(added, name, value)
        tar.addfile(added)
    (said,) = verifying.problems(archive.compress(written.getvalue()))
    assert reason in said


def test_a_bomb_is_refused_by_its_size() -> None:
    bomb = archive.compress(b"\0" * (archive.MAX_UNPACKED + 1))
    assert len(bomb) < 2**20
    assert verifying.problems(bomb) == ["unpacks to more than 512 MiB"]
    assert verifying.problems(b"\0" * (archive.MAX_PACKED + 1)) == ["is larger than 64 MiB"]


# --- Two revisions --------------------------------------------------------------------------------


def second_revision() -> str:
    """One that follows ``CONTENT``: an entry changed, a mitigation for guests of rhel 9.1."""
    document = json.loads(CONTENT)
    old = from_json(document["policy"])
    changed_type = replace(
        old.machine_types[0], entries=(CompatProperty("usb-kbd", "serial", "new"),)
    )
    mitigation = Mitigation(
        "rhel 9.1", "pc-i440fx", (CompatProperty("foo", "x-s", "off"),), "it | was off", "10.0"
    )
    new = replace(old.with_machine_type(changed_type), mitigations=(mitigation,))
    derived = document["derived"]
    derived["properties"]["pc-q35-rhel9.2.0"] = [
        {"driver": "usb-kbd", "property": "serial", "value": "new"}
    ]
    derived["revision"] |= {"number": 4, "parent": hashlib.sha256(CONTENT.encode()).hexdigest()}
    derived["changes"] = [asdict(item) for item in differences.compare(old, new)]
    return canonical({"policy": new.to_json(), "derived": derived})


def test_changes_are_told_and_hold_against_the_bundle_before(
    tmp_path: Path, built: content.BuiltBundle
) -> None:
    second = content.render(second_revision())
    told = archive.unpack(second.content).files["CHANGES.md"].decode()
    assert "- **pc-q35-rhel9.2.0** sets `usb-kbd.serial=new`, was `usb-kbd.serial=a,b ü`" in told
    assert "- **pc-q35-rhel9.2.0** no longer sets `nope.x=1`" in told
    assert "## Guests that need more on their destination" in told
    (tmp_path / "old").write_bytes(built.content)
    (tmp_path / "new").write_bytes(second.content)
    before = str(tmp_path / "old")
    assert verifying.main(["--previous", before, str(tmp_path / "new")]) == 0
    assert verifying.main(["--previous", str(tmp_path / "new"), before]) == 1
    silent = json.loads(second_revision())
    silent["derived"]["changes"] = []
    (tmp_path / "new").write_bytes(content.render(canonical(silent)).content)
    assert verifying.main([str(tmp_path / "new")]) == 0
    assert verifying.main(["--previous", before, str(tmp_path / "new")]) == 1


def test_a_mitigation_is_a_set_of_its_own() -> None:
    files = archive.unpack(content.render(second_revision()).content).files
    folder = "mitigations/rhel/9.1/pc-i440fx"
    for target in ("qemu", "lockstep"):
        for name, read in formats.READERS.items():
            listed = read(files[f"{target}/{folder}/{name}"].decode())
            assert listed == (CompatProperty("foo", "x-s", "off"),)
    row = f"| rhel 9.1 | pc-i440fx | foo.x-s=off | {folder} | 10.0 | it \\| was off |"
    assert row in files["MITIGATIONS.md"].decode()


def test_two_bundles_are_compared(built: content.BuiltBundle) -> None:
    found = comparing.compare(built.content, content.render(second_revision()).content)
    assert {item.group for item in found.decisions} == {"Compat properties", "Mitigations"}
    assert found.files["qemu/mitigations/rhel/9.1/pc-i440fx/globals.args"] == "added"
    assert found.files["qemu/machine-types/pc-q35-rhel9.2.0/domain.xml"] == "changed"
    assert "qemu/machine-types/pc-i440fx/domain.xml" not in found.files


def test_provenance_names_who_decided_and_what_proved_it(built: content.BuiltBundle) -> None:
    files = archive.unpack(built.content).files
    told = json.loads(files["provenance.json"])
    assert told["approvals"] == [
        {"reviewer": "b", "at": "2026-05-04T14:30:00+02:00", "digest": "0"}
    ]
    assert told["revision"]["digest"] == hashlib.sha256(CONTENT.encode()).hexdigest()
    trials = files["trials.json"].removesuffix(b"\n")
    assert told["trials"]["digest"] == hashlib.sha256(trials).hexdigest()
    manifest = json.loads(files["manifest.json"])
    assert manifest["parents"] == ["cd" * 32]
    assert manifest["source_date_epoch"] == 1777897800


def test_arrays_stay_what_they_were_imported_as() -> None:
    shared = CompatProperty("usb-kbd", "serial", "x", "hw_compat_rhel_9_2")
    other = CompatProperty("usb-kbd", "serial", "y", "hw_compat_rhel_9_2")
    machines = (
        MachineType("pc-q35-rhel9.2.0", entries=(shared, CompatProperty("a", "b", "1"))),
        MachineType("pc-q35-rhel9.0.0", "pc-q35-rhel9.2.0", (CompatProperty("a", "b", "0"),)),
        MachineType("pc-i440fx-rhel7.6.0", entries=(other,)),
    )
    policy = Policy("rhel", "9.2", CatalogueRef("up", "0"), machine_types=machines)
    document = json.loads(revision_text())
    document["policy"] = policy.to_json()
    document["derived"]["left_out"] = {}
    document["derived"]["properties"] = {
        item.name: [
            {"driver": e.driver, "property": e.property, "value": e.value}
            for e in policy.resolved(item.name)
        ]
        for item in machines
    }
    files = archive.unpack(content.render(canonical(document)).content).files
    text = files["qemu/lockstep-compat.c"].decode()
    # Once for both that share it; a second for the one on which it says otherwise.
    assert text.count("GlobalProperty lockstep_hw_compat_rhel_9_2[] = {") == 1
    assert text.count("GlobalProperty lockstep_hw_compat_rhel_9_2_") == 1
    assert text.count("GlobalProperty lockstep_pc_q35_rhel9_2_0[]") == 1
    for item in machines:
        folder = f"qemu/machine-types/{item.name}"
        told = globals.read(files[f"{folder}/globals.args"].decode())
        assert c_array.read(text)[item.name] == told
        assert libvirt.read(files[f"{folder}/domain.xml"].decode()) == told
