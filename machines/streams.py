"""An uploaded stream's devices, read in a child process (:mod:`machines.confined`).

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

from machines import confined
from machines.confined import STATUS_INPUT, Limits, limit_self
from machines.emulator.errors import StreamError
from machines.emulator.snapshot import SentSection, Snapshot, read_snapshot

MAX_STREAM_BYTES = 64 * 2**20

_LIMITS = Limits(memory=1024 * 2**20, output=8 * 2**20, cpu_seconds=10, wall_seconds=20)


def read_sent(content: bytes, limits: Limits = _LIMITS) -> Snapshot:
    """The stream's machine type and sections, without payloads. Raises :class:`StreamError`."""
    if len(content) > MAX_STREAM_BYTES:
        raise StreamError(0, "", f"the file is larger than {MAX_STREAM_BYTES // 2**20} MiB")
    with tempfile.TemporaryDirectory(prefix="lockstep-stream-") as folder:
        Path(folder, "stream").write_bytes(content)
        return _run_child(Path(folder), limits)


def _run_child(folder: Path, limits: Limits) -> Snapshot:
    stream, answer = folder / "stream", folder / "answer"
    with answer.open("wb") as output, (folder / "errors").open("wb") as errors:
        try:
            status = confined.run("machines.streams", stream, limits, output, errors)
        except subprocess.TimeoutExpired as error:
            problem = f"takes longer than {limits.wall_seconds} s to read"
            raise StreamError(0, "", problem) from error
    if status not in (0, STATUS_INPUT):
        raise StreamError(0, "", "takes more memory or time to read than a stream may")
    document = json.loads(answer.read_bytes())
    if status == STATUS_INPUT:
        raise StreamError(document["offset"], document["section"], document["problem"])
    sections = tuple(
        SentSection(item["idstr"], item["instance"], item["version"], b"", item["device"])
        for item in document["sections"]
    )
    return Snapshot(document["machine"], (), sections)


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
    path = limit_self(arguments)
    try:
        document = _listed(read_snapshot(path))
    except StreamError as error:
        told = {"offset": error.offset, "section": error.section, "problem": error.problem}
        json.dump(told, sys.stdout)
        return STATUS_INPUT
    json.dump(document, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
