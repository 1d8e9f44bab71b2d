"""The command line: JSON on stdout, exit status 0, 1 or 2, never a traceback."""

import io
import json
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest
from real_streams import CATALOGUES, REPOSITORY, SELECTION

from machines.emulator.events import RamPages, SectionBegin, VmDescription, write_events
from machines.emulator.stream import read_events

STREAMS = SELECTION / "streams"
TEN = STREAMS / "10.0" / "pc-q35-7.2"
ELEVEN = STREAMS / "11.1" / "pc-q35-7.2"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "machines.emulator", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        timeout=180,
        check=False,
    )


def test_decode_prints_a_whole_stream():
    result = run("decode", TEN / "serial.mig.xz")
    assert result.returncode == 0
    decoded = json.loads(result.stdout)
    assert {"machine", "ram", "sections"} <= decoded.keys()
    assert any(section["name"] == "serial" for section in decoded["sections"])


def test_decode_prints_one_section_of_a_plain_file(tmp_path):
    plain = tmp_path / "serial.mig"
    plain.write_bytes(lzma.decompress((TEN / "serial.mig.xz").read_bytes()))
    (section,) = json.loads(run("decode", plain, "--section", "serial").stdout)["sections"]
    assert section["vmsd_name"] == "serial"


def test_a_section_that_is_not_there_is_told_with_those_that_are():
    result = run("decode", TEN / "serial.mig.xz", "--section", "nonesuch")
    assert (result.returncode, result.stdout) == (2, "")
    assert "has no section 'nonesuch'; it has ram, timer, cpu_common," in result.stderr


def test_sections_in_another_order_are_no_difference(tmp_path):
    data = lzma.decompress((TEN / "bare.mig.xz").read_bytes())
    events = [event for event in read_events(io.BytesIO(data)) if not isinstance(event, RamPages)]
    first, second = (event.offset for event in events[-8:-2] if isinstance(event, SectionBegin))
    end, description = events[-2].offset, events[-1]
    document = json.loads(description.text)
    document["devices"][-2:] = reversed(document["devices"][-2:])
    with (tmp_path / "swapped.mig").open("wb") as file:
        file.write(data[:first] + data[second:end] + data[first:second] + data[end : end + 1])
        write_events([VmDescription(0, json.dumps(document).encode())], file)
    result = run("diff", TEN / "bare.mig.xz", tmp_path / "swapped.mig")
    assert (result.returncode, json.loads(result.stdout)) == (0, {"differences": []})


def test_an_error_names_the_stream_at_fault(tmp_path):
    broken = tmp_path / "broken.mig"
    broken.write_bytes(b"QEVM\0\0\0\3\x2a")
    result = run("diff", TEN / "bare.mig.xz", broken)
    assert result.stderr == f"{broken}: offset 8: unknown section type 0x2a\n"


def test_diff_tells_whether_streams_differ():
    assert run("diff", TEN / "bare.mig.xz", TEN / "bare.mig.xz").returncode == 0
    result = run("diff", TEN / "bare.mig.xz", ELEVEN / "bare.mig.xz")
    assert result.returncode == 1
    assert json.loads(result.stdout)["differences"]


@pytest.mark.parametrize(("config", "status"), [("bare", 0), ("virtio-net", 1)])
def test_trial_answers_and_its_status_says_so(config, status):
    result = run(
        "trial",
        TEN / f"{config}.mig.xz",
        "--into",
        CATALOGUES / "11.1",
        "--profile",
        ELEVEN / f"{config}.mig.xz",
    )
    assert result.returncode == status
    answer = json.loads(result.stdout)
    assert answer["outcome"] == ("refused" if status else "accepted")
    verdict = {"outcome", "section", "field", "kind", "reason", "suggestion"}
    assert answer.keys() == verdict | {"assumptions"}


def test_a_global_mends_a_destination():
    flips = SELECTION / "flips" / "10.0" / "pc-q35-5.2"
    arguments = (
        "trial",
        flips / "e1000e.migrate-timadj.mig.xz",
        "--into",
        CATALOGUES / "10.0",
        "--profile",
        flips / "base.mig.xz",
    )
    assert run(*arguments).returncode == 1
    assert run(*arguments, "--global", "e1000e.migrate-timadj=on").returncode == 0


def test_a_line_too_long_is_answered_and_the_next_one_read(tmp_path):
    batch = tmp_path / "batch.jsonl"
    batch.write_bytes(b"x" * 2_500_000 + b'\n{"id": 2}\n')
    answers = [json.loads(line) for line in run("trial", "--batch", batch).stdout.splitlines()]
    assert [answer["outcome"] for answer in answers] == ["error", "error"]
    assert "more than 1000000 bytes" in answers[0]["reason"]
    assert answers[1]["id"] == 2


def test_a_file_without_lines_takes_no_memory():
    result = run("trial", "--batch", "/dev/zero")
    assert result.returncode == 2
    assert "a line has more than" in result.stderr


def test_a_bad_case_does_not_stop_a_batch(tmp_path):
    good = {"stream": str(TEN / "bare.mig.xz"), "into": str(CATALOGUES / "10.0")}
    broken = tmp_path / "broken.mig.xz"
    broken.write_bytes((TEN / "bare.mig.xz").read_bytes()[:4000])
    lines = [
        json.dumps({"id": "first", **good}),
        json.dumps({"id": "cut", **good, "stream": str(broken)}),
        json.dumps({"id": "absent", **good, "stream": str(tmp_path / "absent")}),
        json.dumps({"id": "catalogue", **good, "into": str(tmp_path / "absent")}),
        json.dumps({"id": "global", **good, "globals": ["nonsense"]}),
        json.dumps({"id": "types", "stream": 3, "into": None}),
        "not json",
        "[1]",
        json.dumps({"id": "last", **good, "profile": good["stream"], "globals": []}),
    ]
    batch = tmp_path / "batch.jsonl"
    batch.write_text("\n".join(lines))
    result = run("trial", "--batch", batch)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [
        *("first", "cut", "absent", "catalogue", "global", "types"),
        *(None, None, "last"),
    ]
    outcomes = [answer["outcome"] for answer in answers]
    assert outcomes == ["accepted", *["error"] * 7, "accepted"]
    assert all(answer["reason"] for answer in answers[1:-1])
    assert (result.returncode, result.stderr) == (1, "")


def test_check_compares_the_devices_of_a_stream():
    result = run(
        "check",
        CATALOGUES / "11.1",
        CATALOGUES / "7.2",
        "--machine",
        "pc-q35-7.2",
        "--devices-of",
        ELEVEN / "nvme.mig.xz",
    )
    assert result.returncode == 1
    findings = json.loads(result.stdout)["findings"]
    assert any(item["section"] == "nvme" and item["grade"] == "refuses" for item in findings)


def test_check_of_a_release_against_itself_finds_nothing():
    result = run(
        "check",
        CATALOGUES / "7.2",
        CATALOGUES / "7.2",
        "--machine",
        "pc-q35-7.2",
        "--device",
        "isa-serial",
    )
    assert (result.returncode, json.loads(result.stdout)) == (0, {"findings": []})


@pytest.mark.parametrize(
    "arguments",
    [
        ("decode", "absent.mig"),
        ("decode", Path(__file__)),
        ("decode", REPOSITORY),
        ("trial",),
        ("trial", TEN / "bare.mig.xz", "--into", "absent"),
        ("trial", TEN / "bare.mig.xz", "--into", CATALOGUES / "10.0", "--global", "x"),
        ("trial", "--batch", "absent.jsonl"),
        ("check", CATALOGUES / "7.2", "absent", "--machine", "pc-q35-7.2"),
        ("check", CATALOGUES / "7.2", CATALOGUES / "11.1", "--machine", "nonesuch"),
        ("nonesuch",),
    ],
)
def test_bad_input_is_a_message_and_status_2(arguments):
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr
    assert "Traceback" not in result.stderr
