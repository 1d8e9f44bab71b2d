"""An uploaded stream's devices, read in a child process with limits on memory and time.

The child prints which sections the stream holds and which fields each one has, nothing of their
content; the parent gets a :class:`~machines.emulator.snapshot.Snapshot` without payloads or a
:class:`~machines.emulator.errors.StreamError`, whatever the file does to the child.

    sent = read_sent(content)
    sorted(drivers_of(sent, catalogue.descriptions))

Neither side imports Django.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machines.emulator.errors import StreamError
from machines.emulator.snapshot import SentSection, Snapshot, read_snapshot
from machines.parsing import Limits, limit_self

MAX_STREAM_BYTES = 64 * 2**20

_ROOT = Path(__file__).resolve().parent.parent
_STATUS_INPUT = 2
_LIMITS = Limits(memory=1024 * 2**20, output=8 * 2**20, cpu_seconds=10, wall_seconds=20)


def read_sent(content: bytes, limits: Limits = _LIMITS) -> Snapshot:
    """The stream's machine type and sections, without payloads. Raises :class:`StreamError`."""
    if len(content) > MAX_STREAM_BYTES:
        raise StreamError(0, "", f"the file is larger than {MAX_STREAM_BYTES // 2**20} MiB")
    with tempfile.TemporaryDirectory(prefix="lockstep-stream-") as folder:
        path = Path(folder, "stream")
        path.write_bytes(content)
        return _run_child(path, limits)


def _run_child(path: Path, limits: Limits) -> Snapshot:
    command = [sys.executable, "-E", "-s", "-m", "machines.streams", str(path)]
    command += map(str, (limits.memory, limits.output, limits.cpu_seconds))
    try:
        done = subprocess.run(
            command,
            cwd=_ROOT,
            env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limits.wall_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StreamError(0, "", f"takes longer than {limits.wall_seconds} s to read") from error
    if done.returncode not in (0, _STATUS_INPUT):
        raise StreamError(0, "", "takes more memory or time to read than a stream may")
    answer = json.loads(done.stdout)
    if done.returncode == _STATUS_INPUT:
        raise StreamError(answer["offset"], answer["section"], answer["problem"])
    sections = tuple(
        SentSection(item["idstr"], item["instance"], item["version"], b"", item["device"])
        for item in answer["sections"]
    )
    return Snapshot(answer["machine"], (), sections)


# --- Child ----------------------------------------------------------------------------------------


def _listed(sent: Snapshot) -> dict[str, Any]:
    return {
        "machine": sent.machine,
        "sections": [
            {
                "idstr": section.idstr,
                "instance": section.instance_id,
                "version": section.version_id,
                "device": _named(section),
            }
            for section in sent.sections
        ],
    }


def _named(section: SentSection) -> dict[str, Any] | None:
    if section.device is None:
        return None
    fields = section.device.get("fields", ())
    names = [{"name": str(item.get("name", ""))} for item in fields if isinstance(item, dict)]
    return {"name": section.idstr, "vmsd_name": section.name, "fields": names}


def main(arguments: list[str]) -> int:
    """The child: ``FILE MEMORY OUTPUT CPU_SECONDS``."""
    limit_self(*map(int, arguments[1:4]))
    try:
        document = _listed(read_snapshot(Path(arguments[0])))
    except StreamError as error:
        told = {"offset": error.offset, "section": error.section, "problem": error.problem}
        json.dump(told, sys.stdout)
        return _STATUS_INPUT
    json.dump(document, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
