"""The recipes of the guide for release engineers run as they are written, on a real bundle.

rpmbuild makes a package of the one, make runs the other as a ``debian/rules``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from revised import content_of
from sample_subjects import rhel
from signing_keys import TestKey, made_key

from policy.packing import content, standalone

GUIDE = Path("docs/guide-release-engineer.md")
BUNDLE = "lockstep-rhel-9.2-r1"


def recipe(kind: str, containing: str) -> str:
    """The code block of the guide of this kind that has these words."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", GUIDE.read_text(), re.M | re.S)
    [found] = [block for block in blocks if containing in block]
    return str(found)


@pytest.fixture(scope="module")
def key() -> Iterator[TestKey]:
    with made_key() as made:
        yield made


@pytest.fixture(scope="module")
def bundle() -> content.BuiltBundle:
    return content.render(content_of(rhel("9.2")))


@pytest.fixture
def kept(tmp_path: Path, bundle: content.BuiltBundle, key: TestKey) -> Path:
    """What a packaging repository keeps: the bundle, its signature, the keys, the verifier."""
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / f"{BUNDLE}.tar.gz").write_bytes(bundle.content)
    (folder / f"{BUNDLE}.tar.gz.asc").write_bytes(key.sign(bundle.content))
    (folder / "lockstep-keys.asc").write_bytes(key.public)
    (folder / standalone.NAME).write_bytes(standalone.archive())
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a build does, with a ``python3`` and a ``dh_auto_configure`` on its path."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, script in {
        "python3": f'exec {sys.executable} -I "$@"',
        "dh_auto_configure": "touch configured",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


# --- RPM ------------------------------------------------------------------------------------------


#: What stands around the recipe in a package's spec file.
BEFORE = """\
Name: qemu-kvm
Version: 7.2.0
Release: 1
Summary: A machine emulator
License: GPL-2.0-or-later
BuildArch: noarch
Source0: qemu-kvm-7.2.0.tar
"""
DESCRIBED = """
%description
What its summary says.

"""
AFTER = """
%files
%{_datadir}/%{name}
"""
#: Fedora's macros have a program of this name, with these options; Debian's rpm has none.
GPGVERIFY = """\
#!/bin/sh -e
for option; do
    case "$option" in
    --keyring=*) gpg --dearmor < "${option#*=}" > ring.gpg ;;
    --signature=*) signature=${option#*=} ;;
    --data=*) data=${option#*=} ;;
    esac
done
gpgv --keyring ./ring.gpg "$signature" "$data"
"""


def package_made(kept: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let rpmbuild make a package by a spec file that has the recipe."""
    sources, tree = folder / "SOURCES", folder / "qemu-kvm-7.2.0"
    sources.mkdir(parents=True)
    for file in kept.iterdir():
        file.rename(sources / file.name)
    (tree / "hw" / "i386").mkdir(parents=True)
    with tarfile.open(sources / "qemu-kvm-7.2.0.tar", "w") as archive:
        archive.add(tree, tree.name)
    head, rest = recipe("spec", "Source10").split("\n\n", 1)
    (folder / "qemu-kvm.spec").write_text(f"{BEFORE}{head}\n{DESCRIBED}{rest}{AFTER}")
    verifying = folder / "gpgverify"
    verifying.write_text(GPGVERIFY)
    verifying.chmod(0o755)
    macros = {"_topdir": folder, "gpgverify": verifying}
    defined = (part for name, value in macros.items() for part in ("--define", f"{name} {value}"))
    # The names of what is required are Fedora's.
    return run(folder, "rpmbuild", "-bb", "--noclean", "--nodeps", *defined, "qemu-kvm.spec")


def test_a_spec_file_verifies_and_installs(kept: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rpm"
    done = package_made(kept, folder)
    assert done.returncode == 0, done.stderr
    assert f"{BUNDLE}.tar.gz: whole" in done.stdout
    assert list(folder.glob("BUILD/**/hw/i386/lockstep-compat.c"))
    [made] = folder.glob("RPMS/noarch/*.rpm")
    files = run(folder, "rpm", "--query", "--list", "--package", str(made)).stdout.split()
    assert "/usr/share/qemu-kvm/machine-types/pc-q35-rhel9.0.0/compat.cfg" in files


def test_a_spec_file_refuses_what_another_signed(kept: Path, tmp_path: Path) -> None:
    with made_key() as other:
        (kept / "lockstep-keys.asc").write_bytes(other.public)
    folder = tmp_path / "rpm"
    done = package_made(kept, folder)
    assert done.returncode != 0
    assert "No public key" in done.stderr
    assert not list(folder.glob(f"BUILD/**/{BUNDLE}"))
    assert not list(folder.glob("RPMS/**/*.rpm"))


# --- Debian ---------------------------------------------------------------------------------------


def rules(kept: Path, package: Path) -> None:
    """A source package with the recipe as its ``debian/rules``, for RHEL's bundle."""
    (package / "debian").mkdir(parents=True)
    kept.rename(package / "debian" / "lockstep")
    text = recipe("make", "fetch-policy").replace("RELEASE = debian/13", "RELEASE = rhel/9.2")
    (package / "debian" / "rules").write_text(text)


STEPS = ("override_dh_auto_configure", "execute_after_dh_auto_install")


def test_debian_rules_verify_and_install(kept: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    rules(kept, package)
    done = run(package, "make", "-f", "debian/rules", *STEPS)
    assert done.returncode == 0, done.stderr
    assert (package / "configured").exists()
    installed = package / "debian/tmp/usr/share/qemu/machine-types/pc-q35-rhel9.0.0"
    assert (installed / "domain.xml").exists()


def test_debian_rules_refuse_a_bundle_that_was_changed(kept: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    rules(kept, package)
    file = package / "debian" / "lockstep" / f"{BUNDLE}.tar.gz"
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)
    done = run(package, "make", "-f", "debian/rules", *STEPS)
    assert done.returncode != 0
    assert not (package / "configured").exists()
