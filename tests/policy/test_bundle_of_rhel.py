"""RHEL's policies as bundles: each format is read back, a real QEMU takes and shows each set."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from revised import content_of
from sample_subjects import catalogue, rhel

from machines.emulator import qdev
from machines.emulator.catalogue import CompatProperty
from machines.emulator.catalogue.answers import parse_machines
from policy.document import files as policy_files
from policy.document import from_json
from policy.exporters import c_array, formats, globals, libvirt, query_machines
from policy.packing import archive, content, published, verifying
from workers.sample import SHIPPED

QEMU = shutil.which("qemu-system-x86_64")
#: One of each for the machine, so that there is something whose values can be read back.
DEVICES = ("virtio-rng-pci", "virtio-balloon-pci", "virtio-scsi-pci", "virtio-serial-pci")
DEVICES += ("qemu-xhci", "VGA", "usb-kbd", "virtio-gpu-pci", "vmcoreinfo", "virtio-keyboard-pci")
NOTES = ("not used", "has invalid class name")


@pytest.fixture(scope="module")
def files_92() -> dict[str, bytes]:
    return dict(content.archive_of(content_of(rhel("9.2"))).files)


def test_every_format_gives_the_policy_of_rhel_93_back() -> None:
    subject = rhel("9.3")
    text = content_of(subject)
    built = content.render(text)
    assert verifying.problems(built.content) == []
    files = {path: data.decode() for path, data in archive.unpack(built.content).files.items()}
    for read in (files["policy.yaml"], files["policy.json"]):
        assert from_json(policy_files.read(read).document) == subject.policy
    sets = published.read(text).sets
    assert set(SHIPPED["9.3"]) <= set(sets)
    assert query_machines.read(files["lockstep/query-machines.json"]) == sets
    assert c_array.read(files["lockstep/lockstep-compat.c"]) == sets
    for name, listed in sets.items():
        for form, reader in formats.READERS.items():
            assert reader(files[f"lockstep/machine-types/{name}/{form}"]) == listed


def test_an_import_reads_the_answer_to_query_machines(files_92: dict[str, bytes]) -> None:
    answer = json.loads(files_92["lockstep/query-machines.json"])
    read = parse_machines(answer, {})
    sets = query_machines.read(files_92["lockstep/query-machines.json"].decode())
    assert {name: item.compat for name, item in read.items()} == sets


# --- With a real QEMU -----------------------------------------------------------------------------


class Asked:
    """A QEMU that is asked over QMP, and what it complained of when it ended."""

    def __init__(self, board: str, given: Sequence[str]) -> None:
        assert QEMU, "needs Debian's qemu-system-x86 (7.2)"
        devices = [word for name in DEVICES for word in ("-device", name)]
        base = ["-nodefaults", "-display", "none", "-S", "-accel", "tcg", "-qmp", "stdio"]
        self.process = subprocess.Popen(
            [QEMU, "-M", board, *base, *given, *devices],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.line()
        self.ask("qmp_capabilities")

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, self.process.communicate()[1]
        return json.loads(text)

    def ask(self, command: str, **arguments: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"execute": command, "arguments": arguments}))
        self.process.stdin.flush()
        while "event" in (answer := self.line()):
            pass
        return answer.get("return")

    def complaints(self) -> list[str]:
        _, said = self.process.communicate('{"execute": "quit"}', timeout=30)
        return [line for line in said.splitlines() if not line.endswith(NOTES)]

    def devices(self, path: str = "/machine") -> list[tuple[str, str]]:
        """(path, type) of every object below."""
        found = []
        for item in self.ask("qom-list", path=path) or []:
            if item["type"].startswith("child<"):
                below = f"{path}/{item['name']}"
                found += [(below, item["type"][6:-1]), *self.devices(below)]
        return found


def is_told(value: Any, text: str) -> bool:
    """Does QMP's value say what ``-global`` was given?"""
    if isinstance(value, bool):
        return value == (text in {"on", "true", "yes"})
    if isinstance(value, int):
        return value == int(text, 0)
    return str(value) == text


def expected(listed: Sequence[CompatProperty], device: str) -> dict[str, str]:
    """What a device of this type is set to: the last entry for it or for a type above it."""
    lineage = qdev.ancestors(catalogue("qemu/7.2"), device)
    return {item.property: item.value for item in listed if item.driver in lineage}


def given(form: str, path: Path) -> list[str]:
    if form == formats.READCONFIG:
        return ["-readconfig", str(path)]
    if form == formats.GLOBALS:
        return shlex.split(path.read_text())
    listed = libvirt.read(path.read_text())
    return [word for item in listed for word in ("-global", globals.argument(item))]


@pytest.mark.qemu
@pytest.mark.parametrize("form", formats.FORMATS)
def test_qemu_takes_each_set_and_shows_its_values(
    form: str, files_92: dict[str, bytes], tmp_path: Path
) -> None:
    names = [item["name"] for item in json.loads(files_92["manifest.json"])["machine_types"]]
    assert len(names) > 10
    for name in names:
        path = tmp_path / form
        path.write_bytes(files_92[f"qemu/machine-types/{name}/{form}"])
        listed = formats.READERS[form](path.read_text())
        # The bare board sets what its own machine type says first; ours come later and win.
        board = "pc-q35-7.2" if "q35" in name else "pc-i440fx-7.2"
        qemu = Asked(board, given(form, path))
        checked = list(differing(qemu, listed))
        assert [text for text in checked if text] == []
        assert len(checked) > 5
        assert qemu.complaints() == []


def differing(qemu: Asked, listed: Sequence[CompatProperty]) -> Iterator[str]:
    """For each value of a device that can be read: nothing, or how it is not what was set."""
    for place, device in qemu.devices():
        for name, text in expected(listed, device).items():
            value = qemu.ask("qom-get", path=place, property=name)
            # A feature of KVM's is switched off again where TCG runs the guest.
            if value is None or (name.startswith("kvm-") and value is False):
                continue
            yield "" if is_told(value, text) else f"{device}.{name} is {value!r}, not {text}"
