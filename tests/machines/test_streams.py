"""Which devices an uploaded stream holds, told by a child process."""

from __future__ import annotations

from pathlib import Path

import pytest

from machines import streams
from machines.confined import Limits
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.errors import StreamError
from machines.emulator.sent import drivers_of

ROOT = Path(__file__).resolve().parents[2]
WIDE = ROOT / "tests/data/streams/10.0/pc-q35-7.2/wide.mig.xz"


def test_a_stream_tells_its_machine_type_and_its_devices() -> None:
    sent = streams.read_sent(WIDE.read_bytes())
    assert sent.machine == "pc-q35-7.2"
    catalogue = read_directory(ROOT / "machines/sample/qemu/10.0")
    found = set(drivers_of(sent, catalogue.descriptions))
    assert {"e1000e", "isa-serial", "virtio-net-device", "hpet"} <= found
    assert not any(section.payload for section in sent.sections)


@pytest.mark.parametrize("content", [b"", b"QEVM", b"no stream at all", b"\xfd7zXZ\0broken"])
def test_what_is_no_stream_is_refused_with_a_reason(content: bytes) -> None:
    with pytest.raises(StreamError, match="offset"):
        streams.read_sent(content)


def test_a_child_beyond_its_limits_is_the_streams_fault() -> None:
    with pytest.raises(StreamError, match="more memory or time"):
        streams.read_sent(WIDE.read_bytes(), Limits(memory=24 * 2**20))
