"""``trial STREAM --into CATALOGUE`` and ``trial --batch FILE``: would a release load a stream?"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from machines.emulator.commands import (
    CLEAN,
    REFUSED,
    BadInput,
    message_of,
    print_json,
    read_file,
)
from machines.emulator.release import Release
from machines.emulator.replay import trial
from machines.emulator.snapshot import Snapshot, read_snapshot

MAX_BATCH_LINE = 1_000_000
#: How many times that a too long line may be, before the file is taken for none of lines.
MAX_SKIPPED = 100
KEPT_SNAPSHOTS = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stream", nargs="?")
    parser.add_argument("--into", metavar="CATALOGUE")
    parser.add_argument("--profile", help="a stream that the destination itself saved")
    parser.add_argument(
        "--global",
        dest="globals",
        action="append",
        default=[],
        metavar="DRIVER.PROPERTY=VALUE",
        help="a property that the user sets on the destination",
    )
    parser.add_argument("--batch", type=Path, help="a file of trials, one JSON object a line")


class _Trials:
    """Streams and catalogues, each read once (of streams the last ones are kept)."""

    def __init__(self) -> None:
        self._releases: dict[str, Release] = {}
        self._snapshots: dict[str, Snapshot] = {}

    def release(self, path: str) -> Release:
        if path not in self._releases:
            self._releases[path] = Release(Path(path))
        return self._releases[path]

    def snapshot(self, path: str) -> Snapshot:
        known = self._snapshots.pop(path, None)
        if known is None:
            known = read_file(read_snapshot, Path(path))
        self._snapshots[path] = known  # at the end: the first is the one unused for longest
        if len(self._snapshots) > KEPT_SNAPSHOTS:
            del self._snapshots[next(iter(self._snapshots))]
        return known

    def answer(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """The verdict on ``stream``, ``into``, ``profile`` and ``globals`` as JSON."""
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


def run(options: argparse.Namespace) -> int:
    trials = _Trials()
    if options.batch is not None:
        return _batch(trials, options.batch)
    if options.stream is None or options.into is None:
        raise BadInput("trial needs STREAM and --into CATALOGUE, or --batch FILE")
    answer = trials.answer(
        {
            "stream": options.stream,
            "into": options.into,
            "profile": options.profile,
            "globals": options.globals,
        }
    )
    print_json(answer)
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
        return {"id": name, "outcome": "error", "reason": message_of(error)}


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
