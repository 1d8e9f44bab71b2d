"""Untrusted files are parsed in a child process, within limits."""

import json
import lzma
from pathlib import Path

import pytest

from machines.confined import Limits
from machines.emulator.catalogue import CatalogueError
from machines.emulator.catalogue.answers import read_directory
from machines.parsing import parse, parse_directory

SAMPLE = Path(__file__).parents[2] / "machines" / "sample"
ARRAY = b'GlobalProperty hw_compat_rhel_9_2[] = { { "foo", "x", "on" }, };'


def test_a_folder_gives_what_reading_it_here_gives() -> None:
    assert parse_directory(SAMPLE / "qemu/5.2") == read_directory(SAMPLE / "qemu/5.2")


def test_c_sources_join_the_machine_types_of_their_release(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("nothing of a catalogue")
    (tmp_path / "machines.json").write_text('[{"name": "pc-q35-rhel9.2.0"}]')
    (tmp_path / "machine.c.xz").write_bytes(lzma.compress(ARRAY))
    catalogue = parse_directory(tmp_path)
    entry = catalogue.machine_types["pc-q35-rhel9.2.0"].compat[0]
    assert (entry.driver, entry.array) == ("foo", "hw_compat_rhel_9_2")


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"notes.txt": b""}, "notes.txt: is none of vmstate.json"),
        ({"types.json": b"[]", "types.json.xz": b""}, "types.json.xz: says the same as types.json"),
        ({"types.json": b"[1]"}, r"types\[0\]: should be an object"),
        ({"types.json": b"["}, "types.json:1:2: is not JSON"),
        ({"a.c": b"\n\xff"}, "a.c:2: is not UTF-8"),
        ({"a.c": b"int a;"}, "a.c: no GlobalProperty array"),
        ({"a.c": ARRAY, "b.c": ARRAY}, "b.c: hw_compat_rhel_9_2 is in a.c too"),
        (
            {"a.c": ARRAY, "compat.json": b'{"hw_compat_rhel_9_2": []}'},
            "a.c: hw_compat_rhel_9_2 is in the compat file too",
        ),
        ({}, "files: there is none"),
    ],
)
def test_what_is_wrong_comes_back_with_its_place(files: dict[str, bytes], error: str) -> None:
    with pytest.raises(CatalogueError, match=f"^{error}"):
        parse(files)


def test_a_folder_without_a_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="holds none of vmstate"):
        parse_directory(tmp_path)
    with pytest.raises(CatalogueError, match="is not a folder"):
        parse_directory(tmp_path / "missing")


def test_a_file_that_needs_too_much_memory_is_named() -> None:
    hungry = b"[" + b"{}," * 2_000_000 + b"{}]"
    with pytest.raises(CatalogueError, match=r"^types.json: needs more than 100 MiB"):
        parse({"types.json": hungry}, Limits(memory=100 * 2**20))


def test_a_file_that_takes_too_long_is_named() -> None:
    slow = b"/* " * 1_000_000
    with pytest.raises(CatalogueError, match=r"^slow.c: takes more than 1 s"):
        parse({"slow.c": slow}, Limits(cpu_seconds=1))
    with pytest.raises(CatalogueError, match=r"^slow.c: takes longer than 0.5 s"):
        parse({"slow.c": slow}, Limits(wall_seconds=0.5))


def test_a_catalogue_that_grows_too_large_is_refused() -> None:
    # Each machine type repeats the whole array.
    machines = [{"name": f"pc-q35-{minor}.0"} for minor in range(200)]
    array = [["foo", "x" * 200, "y" * 200]] * 100
    files = {
        "machines.json": json.dumps(machines).encode(),
        "compat.json": json.dumps({"hw_compat_999_0": array}).encode(),
    }
    with pytest.raises(CatalogueError, match="holds more than 1 MiB of facts"):
        parse(files, Limits(output=2**20))
