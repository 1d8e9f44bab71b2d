"""The emulator's command line: ``python -m machines.emulator decode|diff|trial|check …``.

Answers are JSON on standard output. Exit status: 0 accepted or clean, 1 refused or differences,
2 bad input (the message on standard error). Each command imports only what it needs, as a start
should not cost more than the answer.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from machines.emulator.errors import EmulatorError

if TYPE_CHECKING:
    from machines.emulator.release import Release
    from machines.emulator.snapshot import Snapshot

CLEAN, REFUSED, BAD_INPUT = 0, 1, 2
MAX_BATCH_LINE = 1_000_000
#: How many times that a too long line may be, before the file is taken for none of lines.
MAX_SKIPPED = 100
KEPT_SNAPSHOTS = 64


class BadInput(EmulatorError):
    """What was given cannot be used; the message is for the person who gave it."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; tells the exit status."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        status = command(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever read the answer has seen enough; Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BAD_INPUT
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{_message(error)}\n")
        return BAD_INPUT


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m machines.emulator",
        description="Looks into QEMU migration streams and tells what a release makes of them.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    decode = commands.add_parser("decode", help="print a stream as JSON")
    decode.add_argument("file", type=Path)
    decode.add_argument("--section", metavar="IDSTR", help="only the sections of this id string")
    decode.set_defaults(command=_decode)
    diff = commands.add_parser("diff", help="compare two streams field by field")
    diff.add_argument("a", type=Path)
    diff.add_argument("b", type=Path)
    diff.set_defaults(command=_diff)
    trial = commands.add_parser("trial", help="would a release load a stream?")
    trial.add_argument("stream", type=Path, nargs="?")
    trial.add_argument("--into", type=Path, metavar="CATALOGUE")
    trial.add_argument("--profile", type=Path, help="a stream that the destination itself saved")
    trial.add_argument(
        "--global",
        dest="globals",
        action="append",
        default=[],
        metavar="DRIVER.PROPERTY=VALUE",
        help="a property that the user sets on the destination",
    )
    trial.add_argument("--batch", type=Path, help="a file of trials, one JSON object a line")
    trial.set_defaults(command=_trial)
    check = commands.add_parser("check", help="compare what two releases send and read")
    check.add_argument("source", type=Path, metavar="SOURCE_CATALOGUE")
    check.add_argument("destination", type=Path, metavar="DESTINATION_CATALOGUE")
    check.add_argument("--machine", required=True, metavar="NAME")
    check.add_argument("--device", action="append", default=[], metavar="TYPE")
    check.add_argument("--devices-of", type=Path, metavar="STREAM")
    check.set_defaults(command=_check)
    return parser


# --- decode, diff -------------------------------------------------------------------------------


def _decode(options: argparse.Namespace) -> int:
    from machines.emulator.decode import decode_file

    decoded = decode_file(options.file)
    if options.section is None:
        _print_stream(decoded)
        return CLEAN
    wanted = [section for section in decoded["sections"] if section["name"] == options.section]
    if options.section == "ram":
        wanted = [{"name": "ram", **decoded["ram"]}]
    if not wanted:
        raise BadInput(f"{options.file}: has no section {options.section!r}")
    _print({"sections": wanted})
    return CLEAN


def _print_stream(decoded: Mapping[str, Any]) -> None:
    """A section a line: readable, and made without the slow indenting encoder."""
    head = {key: value for key, value in decoded.items() if key != "sections"}
    sections = ",\n".join(json.dumps(section) for section in decoded["sections"])
    sys.stdout.write(f'{json.dumps(head)[:-1]}, "sections": [\n{sections}\n]}}\n')


def _diff(options: argparse.Namespace) -> int:
    from machines.emulator.decode import decode_file, differences

    found = differences(decode_file(options.a), decode_file(options.b))
    _print({"differences": found})
    return REFUSED if found else CLEAN


# --- trial --------------------------------------------------------------------------------------


class _Trials:
    """Streams and catalogues, each read once (of streams the last ones are kept)."""

    def __init__(self) -> None:
        self._releases: dict[str, Release] = {}
        self._snapshots: dict[str, Snapshot] = {}

    def release(self, path: str) -> Release:
        from machines.emulator.release import Release

        if path not in self._releases:
            self._releases[path] = Release(Path(path))
        return self._releases[path]

    def snapshot(self, path: str) -> Snapshot:
        from machines.emulator.snapshot import read_snapshot

        known = self._snapshots.pop(path, None)
        if known is None:
            known = read_snapshot(Path(path))
        self._snapshots[path] = known  # at the end: the first is the one unused for longest
        if len(self._snapshots) > KEPT_SNAPSHOTS:
            del self._snapshots[next(iter(self._snapshots))]
        return known

    def answer(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """The verdict on ``stream``, ``into``, ``profile`` and ``globals`` as JSON."""
        from machines.emulator.replay import trial

        profile = case.get("profile")
        verdict = trial(
            self.snapshot(_path(case, "stream")),
            self.release(_path(case, "into")),
            None if profile is None else self.snapshot(_path(case, "profile")),
            _globals(case.get("globals") or ()),
        )
        return verdict.as_json()


def _path(case: Mapping[str, Any], key: str) -> str:
    value = case.get(key)
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadInput(f"{key} should be a path, is {value!r:.80}")
    return value


def _globals(given: Any) -> tuple[tuple[str, str, str], ...]:
    """``driver.property=value`` each; a mapping of ``driver.property`` to value will do too."""
    if isinstance(given, Mapping):
        given = [f"{key}={value}" for key, value in given.items()]
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise BadInput(f"globals should be a list, is {given!r:.80}")
    return tuple(_global(item) for item in given)


def _global(item: Any) -> tuple[str, str, str]:
    if isinstance(item, str):
        name, equals, value = item.partition("=")
        driver, dot, prop = name.rpartition(".")
        if equals and dot and driver and prop:
            return driver, prop, value
    raise BadInput(f"a global should be DRIVER.PROPERTY=VALUE, is {item!r:.80}")


def _trial(options: argparse.Namespace) -> int:
    trials = _Trials()
    if options.batch is not None:
        return _batch(trials, options.batch)
    if options.stream is None or options.into is None:
        raise BadInput("trial needs STREAM and --into CATALOGUE, or --batch FILE")
    answer = trials.answer(
        {
            "stream": str(options.stream),
            "into": str(options.into),
            "profile": str(options.profile) if options.profile else None,
            "globals": options.globals,
        }
    )
    _print(answer)
    return CLEAN if answer["outcome"] == "accepted" else REFUSED


def _batch(trials: _Trials, path: Path) -> int:
    status = CLEAN
    for line in _lines(path):
        answer = _batch_answer(trials, line)
        if answer["outcome"] != "accepted":
            status = REFUSED
        sys.stdout.write(json.dumps(answer) + "\n")
    return status


def _batch_answer(trials: _Trials, line: bytes) -> dict[str, Any]:
    """One answer whatever the line holds: a bad case must not stop the others."""
    name = None
    try:
        if len(line) > MAX_BATCH_LINE:
            raise BadInput(f"the line has more than {MAX_BATCH_LINE} bytes")
        case = json.loads(line)
        if not isinstance(case, dict):
            raise BadInput("a case should be a JSON object")
        name = case.get("id")
        return {"id": name, **trials.answer(case)}
    except (ValueError, OSError, RecursionError) as error:
        return {"id": name, "outcome": "error", "reason": _message(error)}


def _lines(path: Path) -> Iterator[bytes]:
    """The lines that are not blank; of one that is too long only as much as tells that it is."""
    with path.open("rb") as file:
        while line := file.readline(MAX_BATCH_LINE + 1):
            if len(line) > MAX_BATCH_LINE and not line.endswith(b"\n"):
                _skip_line(file, path)
            if line.strip():
                yield line


def _skip_line(file: BinaryIO, path: Path) -> None:
    for _ in range(MAX_SKIPPED):
        if (rest := file.readline(MAX_BATCH_LINE)).endswith(b"\n") or not rest:
            return
    raise BadInput(f"{path}: a line has more than {MAX_SKIPPED * MAX_BATCH_LINE} bytes")


# --- check --------------------------------------------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    from machines.emulator import compare

    devices = None
    if options.device or options.devices_of:
        devices = set(options.device)
    sent = None
    if options.devices_of:
        from machines.emulator.snapshot import read_snapshot

        sent = read_snapshot(options.devices_of)
    findings = compare.check_directories(
        options.source, options.destination, options.machine, devices, sent
    )
    _print({"findings": [finding.as_json() for finding in findings]})
    return REFUSED if any(finding.grade != "harmless" for finding in findings) else CLEAN


def _print(document: Any) -> None:
    sys.stdout.write(json.dumps(document) + "\n")


if __name__ == "__main__":
    # A catalogue is many objects that all live until the end: looking for garbage finds none.
    gc.set_threshold(200_000)
    sys.exit(main())
