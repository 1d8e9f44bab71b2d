"""How fast the emulator is. Not part of the tests: ``make benchmark`` runs these alone.

The figures of one run, and what they are to be compared with, are in docs/benchmarks.md.
"""

from __future__ import annotations

import json
import lzma
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from machines.catalogue import import_catalogue
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.drivers import migratable_devices
from machines.emulator.events import (
    EndOfSections,
    FileHeader,
    RamBlock,
    RamBlockList,
    RamFlag,
    RamMark,
    RamPages,
    SectionBegin,
    SectionEnd,
    SectionType,
    write_events,
)
from machines.emulator.machine import Side, trial
from machines.models import Release, Tree

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
CATALOGUES = ROOT / "machines" / "sample" / "qemu"
WIDE = DATA / "streams" / "10.0" / "pc-q35-7.2" / "wide.mig.xz"
GUEST_PAGES = 2**18  # of 4 KiB: 1 GiB
PAGES_AT_ONCE = 256
DEVICES = ("isa-serial", "mc146818rtc", "e1000", "virtio-rng-pci", "virtio-blk-pci")


#: Starts a program from a small process: a child's greatest memory counts what it was forked from.
MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
print(os.wait4(process.pid, 0)[2].ru_maxrss)
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "machines.emulator", *map(str, arguments)]


def run(argv: Sequence[str]) -> float:
    """Run a process of its own; the seconds of processor time it took."""
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1)
    return usage.ru_utime + usage.ru_stime


def peak_memory(argv: Sequence[str]) -> float:
    """The most memory that a process needs, in MiB."""
    measure = [sys.executable, "-S", "-c", MEASURE, *argv]
    done = subprocess.run(measure, cwd=ROOT, capture_output=True, check=True)
    return round(int(done.stdout) / 1024, 1)


def measure(benchmark: BenchmarkFixture, argv: Sequence[str], rounds: int) -> float:
    """Run a process some times, the first one unmeasured; its least processor time in seconds.

    Other work on the machine can only add to a process's time, so that the least is the truest.
    """
    seconds: list[float] = []
    benchmark.pedantic(lambda: seconds.append(run(argv)), rounds=rounds, warmup_rounds=1)
    least = min(seconds[1:])
    benchmark.extra_info |= {"CPU s": round(least, 4), "peak MiB": peak_memory(argv)}
    return least


def test_start_of_the_interpreter(benchmark: BenchmarkFixture) -> None:
    """What every other process's time includes."""
    measure(benchmark, [sys.executable, "-c", "pass"], rounds=10)


# --- decode -------------------------------------------------------------------------------------


def test_decode_of_a_wide_stream(benchmark: BenchmarkFixture) -> None:
    measure(benchmark, command("decode", WIDE), rounds=10)


@pytest.fixture(scope="module")
def large_guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream with 1 GiB of guest memory, none of it zero."""
    path = tmp_path_factory.mktemp("guest") / "large.mig"
    length = GUEST_PAGES * 4096
    with path.open("wb") as file:
        begin = SectionBegin(0, SectionType.START, 2, "ram", 0, 4)
        blocks = RamBlockList(0, length, (RamBlock("pc.ram", length),))
        named = struct.pack(">QB", RamFlag.PAGE, 6) + b"pc.ram" + bytes(4096)
        first = RamPages(0, "pc.ram", RamFlag.PAGE, 1, named)
        write_events([FileHeader(0), begin, blocks, first], file)
        page = bytes(range(256)) * 16
        for start in range(1, GUEST_PAGES, PAGES_AT_ONCE):
            for number in range(start, min(start + PAGES_AT_ONCE, GUEST_PAGES)):
                file.write(struct.pack(">Q", number << 12 | RamFlag.PAGE | RamFlag.CONTINUE))
                file.write(page)
        write_events([RamMark(0, RamFlag.EOS), SectionEnd(0, 2, True), EndOfSections(0)], file)
    return path


def test_cat_of_a_large_guest(benchmark: BenchmarkFixture, large_guest: Path) -> None:
    """What the next one is measured by."""
    measure(benchmark, ["cat", str(large_guest)], rounds=3)


def test_decode_of_a_large_guest(benchmark: BenchmarkFixture, large_guest: Path) -> None:
    measure(benchmark, command("decode", large_guest), rounds=3)


# --- Verdicts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("config", ["wide", "serial", "virtio-net"])
def test_verdicts_of_a_batch(benchmark: BenchmarkFixture, tmp_path: Path, config: str) -> None:
    """Each round is one process with 300 verdicts on the same three releases' streams."""
    releases = ("7.2", "10.0", "11.1")
    pairs = [(source, into) for source in releases for into in releases if source != into]
    streams = {name: DATA / "streams" / name / "pc-q35-7.2" for name in releases}
    cases = [
        {
            "id": number,
            "stream": str(streams[source] / f"{config}.mig.xz"),
            "into": str(CATALOGUES / into),
            "profile": str(streams[into] / f"{config}.mig.xz"),
        }
        for number in range(50)
        for source, into in pairs
    ]
    batch = tmp_path / "batch.jsonl"
    batch.write_text("".join(json.dumps(case) + "\n" for case in cases))
    seconds = measure(benchmark, command("trial", "--batch", batch), rounds=3)
    benchmark.extra_info["verdicts per CPU s"] = round(len(cases) / seconds)


@pytest.mark.parametrize("devices", [DEVICES, None], ids=["five devices", "all devices"])
def test_trials_by_model(benchmark: BenchmarkFixture, devices: tuple[str, ...] | None) -> None:
    catalogues = [read_directory(CATALOGUES / name) for name in ("7.2", "10.0")]
    sides = [Side(item.version, item, "pc-q35-7.2") for item in catalogues]
    benchmark(trial, sides, devices or migratable_devices(*catalogues), 1)
    benchmark.extra_info["trials/s"] = round(1 / benchmark.stats.stats.min, 1)


# --- Releases -----------------------------------------------------------------------------------


def test_reading_of_two_dumps(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """What the next one cannot do without: two uncompressed dumps as JSON."""
    for name in ("7.2", "11.1"):
        packed = (CATALOGUES / name / "vmstate.json.xz").read_bytes()
        (tmp_path / name).write_bytes(lzma.decompress(packed))
    program = "import json, sys; [json.load(open(name)) for name in sys.argv[1:]]"
    names = (str(tmp_path / "7.2"), str(tmp_path / "11.1"))
    measure(benchmark, [sys.executable, "-c", program, *names], rounds=10)


def test_check_of_two_releases(benchmark: BenchmarkFixture) -> None:
    releases = (CATALOGUES / "7.2", CATALOGUES / "11.1")
    measure(benchmark, command("check", *releases, "--machine", "pc-q35-7.2"), rounds=10)


@pytest.mark.django_db
def test_import_of_a_release(benchmark: BenchmarkFixture) -> None:
    """Read the files and write the snapshot with all its rows."""
    tree = Tree.objects.create(name="upstream")
    numbers = count()

    def prepare() -> tuple[tuple[Release], dict[str, str]]:
        return (Release.objects.create(tree=tree, version=f"11.{next(numbers)}"),), {}

    def read_and_import(release: Release) -> None:
        catalogue = read_directory(CATALOGUES / "11.1")
        assert import_catalogue(release, catalogue, source="benchmark", user=None).created

    benchmark.pedantic(read_and_import, setup=prepare, rounds=3)
