"""QEMU's log lines of a failed migration, read. Pure.

:func:`read_log` finds QEMU's own messages (:mod:`machines.emulator.refusals`), whatever a time
stamp, a program's name or libvirt put before them. Lines of one failure belong together: the
message that says what is wrong, then the ones that say where. What says nothing known is given back
as such.

    >>> [failure] = read_log("qemu-kvm: Missing section footer for 0000:00:01.3/piix4_pm").failures
    >>> failure.kind, failure.section
    ('layout', '0000:00:01.3/piix4_pm')
"""

from __future__ import annotations

from dataclasses import dataclass, field

from machines.emulator.refusals import CAUSES, END, PLACES, Kind

MAX_BYTES = 256 * 1024
MAX_LINES = 2_000
#: Characters of a line that are read; none of QEMU's is nearly so long.
MAX_LINE = 2_000
MAX_FAILURES = 100


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
        if self.kind is None and not self.place and not self.device:
            return None  # "load of migration failed" alone says nothing
        # Before 8.2 a subsection that the destination lacks is told by the section alone.
        return Failure(
            self.kind or ("equal" if self.place else "layout"),
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
    for number, whole in enumerate(lines, start=1):
        line = whole[:MAX_LINE]
        if not line.strip():
            continue
        if cause := _cause(line):
            if current.kind is not None and _begins_anew(current, cause[0]):
                failures += [found] if (found := current.closed()) else []
                current = _Open()
            _note_cause(current, *cause)
        is_known = _note_places(current, line) or cause is not None
        ends = END.search(line) is not None
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
    for kind, pattern in CAUSES:
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
    device, state, element, failed = (pattern.search(line) for pattern in PLACES)
    if named := device or state:
        current.device = named["section"]
    if element is not None:
        current.place = current.place or element["field"]
    elif failed is not None and not current.place:
        current.place = failed["field"].rstrip(";,")
        current.section = current.section or failed["owner"]
    return any((device, state, element, failed))
