"""The recipes of the guide for release engineers run as they are written, on a real bundle.

RPM's own macros are expanded here, as a machine that builds Debian packages has no rpmbuild:
``%{gpgverify}`` imports the keyring and lets gpg check the signature, ``%setup -a`` unpacks.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
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


def sections(spec: str) -> dict[str, str]:
    """``%prep`` and the others of a spec file → their shell script."""
    head, *parts = re.split(r"^%(prep|install|check)\n", spec, flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True)) | {"": head}


def expanded(script: str, kept: Path, build: Path, sources: dict[str, str]) -> str:
    """The script with the macros that it uses expanded as RPM expands them."""
    macros = {"buildroot": str(build / "root"), "_datadir": "/usr/share", "name": "qemu-kvm"}
    macros |= {f"SOURCE{number}": str(kept / name) for number, name in sources.items()}
    script = re.sub(
        r"%\{gpgverify\} --keyring=(\S+) --signature=(\S+) --data=(\S+)",
        r"gpg --dearmor < \1 > ring.gpg; gpgv --keyring ./ring.gpg \2 \3",
        script,
    )
    script = re.sub(r"%setup -q -a (\d+)", lambda m: f"tar -xf %{{SOURCE{m[1]}}}", script)
    return re.sub(r"%\{(\w+)\}", lambda found: macros[found[1]], script)


def built(kept: Path, build: Path) -> subprocess.CompletedProcess[str]:
    """Run the spec file's sections in their order, up to the first that fails."""
    parts = sections(recipe("spec", "Source10"))
    sources = dict(re.findall(r"^Source(\d+): (\S+)$", parts.pop(""), re.M))
    (build / "hw" / "i386").mkdir(parents=True)
    for script in parts.values():
        done = run(build, "sh", "-e", "-c", expanded(script, kept, build, sources))
        if done.returncode:
            return done
    return done


def test_a_spec_file_verifies_and_installs(kept: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    done = built(kept, build)
    assert done.returncode == 0, done.stderr
    assert f"{BUNDLE}.tar.gz: whole" in done.stdout
    assert (build / "hw" / "i386" / "lockstep-compat.c").exists()
    installed = build / "root" / "usr/share/qemu-kvm/machine-types"
    assert (installed / "pc-q35-rhel9.0.0" / "compat.cfg").exists()


def test_a_spec_file_refuses_what_another_signed(kept: Path, tmp_path: Path) -> None:
    with made_key() as other:
        (kept / "lockstep-keys.asc").write_bytes(other.public)
    done = built(kept, tmp_path / "build")
    assert done.returncode != 0
    assert not (tmp_path / "build" / BUNDLE).exists()


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
