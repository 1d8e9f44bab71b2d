"""QEMU's log lines of a failed migration, read. Pure.

:func:`read_log` finds QEMU's own messages (migration/savevm.c, vmstate.c, vmstate-types.c, ram.c,
hw/pci/pci.c, hw/virtio/virtio.c), whatever a time stamp, a program's name or libvirt put before
them. Lines of one failure belong together: the message that says what is wrong, then the ones that
say where. What says nothing known is given back as such.

    >>> [failure] = read_log("qemu-kvm: Missing section footer for 0000:00:01.3/piix4_pm").failures
    >>> failure.kind, failure.section
    ('layout', '0000:00:01.3/piix4_pm')
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

MAX_BYTES = 256 * 1024
MAX_LINES = 2_000
MAX_FAILURES = 100

Kind = Literal[
    "unknown-section",
    "version-too-new",
    "version-too-old",
    "layout",
    "equal",
    "ramblock",
    "pci-config",
    "virtio",
    "unmigratable",
    "machine-type",
    "subsection",
    "stream",
]


class LogError(ValueError):
    """The text cannot be read as a log; says why."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed migration. ``lines`` are (number from 1, text) of what QEMU said of it.

    ``section`` is the id string, ``field`` what QEMU names of it (a field, a RAM block), empty
    where it names none. ``details`` are the numbers and names of the message.
    """

    kind: Kind
    section: str
    field: str
    details: tuple[tuple[str, str], ...]
    lines: tuple[tuple[int, str], ...]

    @property
    def description(self) -> str:
        """The section's name without the path of the device."""
        return self.section.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Log:
    """The failures of a log, and its lines that say nothing known: (number from 1, text)."""

    failures: tuple[Failure, ...]
    unknown: tuple[tuple[int, str], ...]


# --- Reading --------------------------------------------------------------------------------------

#: A message that says what is wrong. Groups: ``section``, ``field``; any other is a detail.
_CAUSES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        "unknown-section",
        re.compile(r"Unknown savevm section or instance '(?P<section>[^']+)' (?P<instance>\d+)"),
    ),
    (
        "version-too-new",
        re.compile(
            r"savevm: unsupported version (?P<sent>\d+) for '(?P<section>[^']+)' v(?P<newest>\d+)"
        ),
    ),
    (
        "version-too-new",
        re.compile(
            r"(?P<section>\S+): incoming version_id (?P<sent>\d+) is too new "
            r"for local version_id (?P<newest>\d+)"
        ),
    ),
    (
        "version-too-old",
        re.compile(
            r"(?P<section>\S+): incoming version_id (?P<sent>\d+) is too old "
            r"for local minimum version_id (?P<oldest>\d+)"
        ),
    ),
    ("layout", re.compile(r"Missing section footer for (?P<section>[^\s,;]+)")),
    ("layout", re.compile(r"Mismatched section id in footer for (?P<section>[^\s,;]+)")),
    ("equal", re.compile(r"Input validation failed: (?P<section>[^\s/]+)/(?P<field>[^\s:]+)")),
    (
        "equal",
        re.compile(r"Invalid value (?P<sent>-?\d+) expecting positive value <= (?P<own>\d+)"),
    ),
    ("equal", re.compile(r"(?:^|: )(?P<own>[0-9a-f]+) != (?P<sent>[0-9a-f]+)\s*$")),
    ("ramblock", re.compile(r'Unknown ramblock "(?P<field>[^"]+)", cannot accept migration')),
    (
        "ramblock",
        re.compile(r"Size mismatch: (?P<field>\S+): (?P<sent>0x[0-9a-f]+) != (?P<own>0x[0-9a-f]+)"),
    ),
    (
        "pci-config",
        re.compile(
            r"Bad config data: i=(?P<offset>0x[0-9a-f]+) read: (?P<sent>[0-9a-f]+) "
            r"device: (?P<own>[0-9a-f]+)"
        ),
    ),
    (
        "virtio",
        re.compile(
            r"Features (?P<sent>0x[0-9a-f]+) unsupported\. Allowed features: (?P<own>0x[0-9a-f]+)"
        ),
    ),
    (
        "virtio",
        re.compile(
            r"VQ (?P<queue>\d+) vring\.num (?P<sent>\d+) exceeds allocated max (?P<own>\d+)"
        ),
    ),
    ("virtio", re.compile(r"VQ (?P<queue>\d+) (?:size|address) 0x[0-9a-f]+ ")),
    (
        "unmigratable",
        re.compile(r"State blocked by non-migratable device '(?P<section>[^']+)'"),
    ),
    (
        "machine-type",
        re.compile(r"Machine type received is '(?P<sent>[^']+)' and local is '(?P<own>[^']+)'"),
    ),
    (
        "subsection",
        re.compile(r"VM subsection '(?P<field>[^']+)' in '(?P<section>[^']+)' does not exist"),
    ),
    ("stream", re.compile(r"Configuration section missing")),
)
#: Messages that say where, after one that says what; the last one alone is a failure of its own.
_PLACES = (
    re.compile(
        r"error while loading state for instance 0x[0-9a-f]+ of device '(?P<section>[^']+)'"
    ),
    re.compile(r"Failed to load element of type (?P<type>[^:]+?) for (?P<field>[^:\s]+)"),
    re.compile(r"Failed to load (?P<owner>[^:\s]+):(?P<field>\S+)"),
)
_END = re.compile(r"load of migration failed")


@dataclass(slots=True)
class _Open:
    """A failure while its lines are being read."""

    kind: Kind | None = None
    section: str = ""
    device: str = ""
    place: str = ""
    details: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[int, str]] = field(default_factory=list)

    def closed(self) -> Failure | None:
        if self.kind is None and not self.place:
            return None  # "load of migration failed" alone says nothing
        return Failure(
            self.kind or "equal",
            self.device or self.section,
            self.place,
            tuple(self.details.items()),
            tuple(self.lines),
        )


def read_log(text: str) -> Log:
    """Read pasted lines. Raises :class:`LogError` for more than the limits allow."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise LogError(
            f"This is more than {MAX_BYTES // 1024} KiB: paste the lines around the error."
        )
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise LogError(f"These are more than {MAX_LINES} lines: paste those around the error.")
    failures: list[Failure] = []
    unknown: list[tuple[int, str]] = []
    current = _Open()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if cause := _cause(line):
            if current.kind is not None and _begins_anew(current, cause[0]):
                failures += [found] if (found := current.closed()) else []
                current = _Open()
            _note_cause(current, *cause)
        is_known = _note_places(current, line) or cause is not None
        ends = _END.search(line) is not None
        if is_known or ends:
            current.lines.append((number, line.strip()))
        else:
            unknown.append((number, line.strip()))
        if ends:
            failures += [found] if (found := current.closed()) else []
            current = _Open()
    failures += [found] if (found := current.closed()) else []
    if len(failures) > MAX_FAILURES:
        raise LogError(f"These are more than {MAX_FAILURES} failures: paste one migration's lines.")
    return Log(tuple(failures), tuple(unknown))


def _cause(line: str) -> tuple[Kind, dict[str, str]] | None:
    for kind, pattern in _CAUSES:
        if match := pattern.search(line):
            return kind, match.groupdict()
    return None


def _begins_anew(current: _Open, kind: Kind) -> bool:
    """Is another cause a failure of its own? One that places the first one is not."""
    return bool(current.device) or kind == current.kind or kind not in ("equal", "layout")


def _note_cause(current: _Open, kind: Kind, groups: dict[str, str]) -> None:
    current.section = groups.pop("section", "") or current.section
    current.place = groups.pop("field", "") or current.place
    if current.kind is None:
        current.kind = kind
    current.details.update(groups)


def _note_places(current: _Open, line: str) -> bool:
    device, element, failed = (pattern.search(line) for pattern in _PLACES)
    if device is not None:
        current.device = device["section"]
    if element is not None:
        current.place = current.place or element["field"]
    elif failed is not None and not current.place:
        current.place = failed["field"].rstrip(";,")
        current.section = current.section or failed["owner"]
    return any((device, element, failed))
