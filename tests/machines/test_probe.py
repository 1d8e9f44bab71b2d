"""Probing a QEMU binary: a real one, and one that breaks in every way a build may."""

import shutil
import sys
from pathlib import Path

import pytest

from machines import probe as probing
from machines.emulator import session
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.qdev import properties_of
from machines.probe import ProbeError, probe

SAMPLE = Path(__file__).parents[2] / "machines" / "sample"
FAKE = Path(__file__).parent / "fake_qemu.py"
REAL = shutil.which("qemu-system-x86_64")


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """The fake as a program of its own, whatever the mode of its file."""
    program = tmp_path / "qemu-system-fake"
    program.write_text(f"#!{sys.executable}\n{FAKE.read_text()}")
    program.chmod(0o755)
    return program


def test_a_driver_that_breaks_the_binary_is_skipped_and_reported(fake: Path) -> None:
    asked: list[str] = []
    result = probe(fake, lambda done, total, text: asked.append(text))
    assert result.version == "9.0"
    assert result.skipped == {
        "aborts": "was ended by SIGABRT: qemu: fatal: missing object type",
        "exits": "ended with status 1",
        "refuses": "DeviceNotFound: no such device",
    }
    catalogue = result.catalogue
    assert "x" in properties_of(catalogue, "good")
    assert "x" in properties_of(catalogue, "also-good")
    assert "good" in catalogue.descriptions
    assert asked == ["aborts", "also-good", "exits", "good", "refuses", ""]


def test_a_build_that_lacks_an_accelerator_is_started_without(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_QEMU", "no-accelerator")
    assert probe(fake).version == "9.0"


def test_compat_arrays_of_the_sources_join_what_the_binary_tells(fake: Path) -> None:
    source = b'GlobalProperty hw_compat_9_0[] = { { "good", "x", "off" }, };'
    catalogue = probe(fake, sources={"machine.c": source}).catalogue
    assert [entry.value for entry in catalogue.machine_types["pc-q35-9.0"].compat] == ["off"]


def test_a_binary_that_always_aborts_is_given_up(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_QEMU", "aborts-always")
    monkeypatch.setattr(probing, "MAX_RESTARTS", 3)
    with pytest.raises(ProbeError, match="ended on more than 3 drivers"):
        probe(fake)


def test_a_binary_that_does_not_answer_is_given_up(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_QEMU", "silent")
    monkeypatch.setattr(session, "ANSWER_SECONDS", 0.2)
    with pytest.raises(ProbeError, match=r"did not answer within"):
        probe(fake)


@pytest.mark.parametrize("program", ["/bin/true", "/bin/cat"])
def test_a_program_that_is_no_qemu_is_refused(program: str) -> None:
    with pytest.raises(ProbeError, match=program):
        probe(Path(program))


def test_a_file_that_is_no_program_is_refused() -> None:
    with pytest.raises(ProbeError, match="is not a program"):
        probe(Path(__file__))


@pytest.mark.qemu
def test_a_real_binary() -> None:
    assert REAL is not None, "QEMU is missing: install Debian's package qemu-system-x86"
    result = probe(Path(REAL))
    catalogue = result.catalogue
    assert catalogue.types["virtio-net-pci"] == "virtio-net-pci-base"
    assert catalogue.descriptions["isa-serial"].name == "serial"
    known = read_directory(SAMPLE / "qemu/7.2")
    if catalogue.package == known.package:  # Debian 12's, which recorded the sample
        assert catalogue.descriptions == known.descriptions
        assert catalogue.properties == known.properties
        assert catalogue.types == known.types
