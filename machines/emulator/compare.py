"""What one release sends and another reads, from their descriptions, without a stream.

The rules are those of migration/vmstate.c: a section is read if its version lies between the
destination's minimum and its newest; fields above the sent version are not read; a nested
structure is read by the destination's own version; a subsection is sent when it is needed. Every
difference of a section is told, each graded by what it does to a migration:

* ``harmless``: nothing is lost, or only where a condition holds that the machine type rules out;
* ``refuses``: the destination refuses the stream (in the end, by the missing footer);
* ``corrupts``: the destination reads other fields from the same bytes.

A dump does not tell everything: a size is that of C memory, so a structure's own size says
nothing, nor that of an opaque field, and an unknown number of elements matches any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from machines.emulator import refusals
from machines.emulator.catalogue import Description, Field
from machines.emulator.names import words
from machines.emulator.parties import Dump, Party

Grade = Literal["harmless", "refuses", "corrupts"]

#: Sizes in bytes of a field of one number: of no other does a dump tell the size on the wire.
PLAIN_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. ``section`` is a description's name, ``field`` a path inside it."""

    section: str
    subsection: str | None
    field: str | None
    grade: Grade
    message: str

    def as_json(self) -> dict[str, Any]:
        return {
            "section": self.section,
            "subsection": self.subsection,
            "field": self.field,
            "grade": self.grade,
            "message": self.message,
        }


# --- Sections -----------------------------------------------------------------------------------


def check(source: Party, destination: Party, devices: Iterable[str] | None = None) -> list[Finding]:
    """All differences between what two releases make of these device types (default: all).

    A type without a section of its own has nothing to compare, and is passed over.
    """
    findings = []
    ours, theirs = source.descriptions, destination.descriptions
    for driver in ours if devices is None else sorted(set(devices)):
        if isinstance(ours, Dump) and isinstance(theirs, Dump) and ours.same(theirs, driver):
            continue
        sent = ours.get(driver)
        if sent is not None:
            findings += _Device(source, destination, driver, sent).findings()
    return findings


class _Device:
    """One device type, sent by the source and read by the destination."""

    def __init__(self, source: Party, destination: Party, driver: str, sent: Description) -> None:
        self.source = source
        self.destination = destination
        self.driver = driver
        self.sent = sent
        self.subsection: str | None = None

    def findings(self) -> list[Finding]:
        sent = self.sent
        read = self.destination.read_as(self.driver, sent)
        if sent.unmigratable or (read is not None and read.unmigratable):
            return [self._finding(None, "refuses", refusals.unmigratable(self.driver))]
        if read is None:
            return [self._finding(None, "refuses", refusals.unknown_section(sent.name, 0))]
        versions = list(self._versions(sent, read))
        if versions:
            return versions
        return list(self._description(sent, read, "", sent.version_id))

    def _finding(self, field: str | None, grade: Grade, message: str) -> Finding:
        return Finding(self.sent.name, self.subsection, field, grade, message)

    def _versions(self, sent: Description, read: Description) -> Iterator[Finding]:
        version = sent.version_id
        if version > read.version_id:
            yield self._finding(
                None,
                "refuses",
                refusals.section_too_new(version, sent.name, read.version_id),
            )
        elif version < read.minimum_version_id:
            yield self._finding(
                None,
                "refuses",
                refusals.version_too_old(sent.name, version, read.minimum_version_id),
            )

    def _description(
        self, sent: Description, read: Description, path: str, version: int
    ) -> Iterator[Finding]:
        """``version`` is the one that the destination reads its fields by."""
        ours = [item for item in sent.fields if item.version_id <= sent.version_id]
        theirs = [item for item in read.fields if item.version_id <= version]
        yield from self._fields(ours, theirs, path)
        yield from self._subsections(sent, read, path)

    # Fields -----------------------------------------------------------------------------------

    def _fields(self, sent: Sequence[Field], read: Sequence[Field], path: str) -> Iterator[Finding]:
        places = dict(zip(_keys(read), range(len(read)), strict=True))
        start = at = 0
        for index, key in enumerate(_keys(sent)):
            place = places.get(key, -1)
            if place < at:
                continue
            yield from self._gap(sent[start:index], read[at:place], path)
            yield from self._pair(sent[index], read[place], path)
            start, at = index + 1, place + 1
        yield from self._gap(sent[start:], read[at:], path)

    def _gap(self, sent: Sequence[Field], read: Sequence[Field], path: str) -> Iterator[Finding]:
        """Fields that only one release has under this name and in this place."""
        ours = [item for item in sent if not item.conditional]
        theirs = [item for item in read if not item.conditional]
        for party, items in ((self.source, sent), (self.destination, read)):
            for item in items:
                if item.conditional:
                    yield self._conditional(party, item, path)
        if not ours and not theirs:
            return
        sizes = [
            _known_size(ours, self.source.tells_counts),
            _known_size(theirs, self.destination.tells_counts),
        ]
        first = (ours or theirs)[0]
        if ours and theirs and (sizes[0] == sizes[1] or None in sizes):
            yield self._replaced(ours, theirs, path)
        elif sizes[0] != sizes[1] or not (ours and theirs):
            what = "sends" if ours else "expects"
            who = "the source" if ours else "the destination"
            yield self._finding(
                path + first.name, "refuses", f"only {who} {what} field {first.name!r}"
            )

    def _replaced(self, sent: Sequence[Field], read: Sequence[Field], path: str) -> Finding:
        """The same bytes under other names: a new name, a field given up, or another meaning."""
        ours, theirs = [" ".join(item.name for item in items) for items in (sent, read)]
        related = words(ours) & words(theirs) or "unused" in ours or "unused" in theirs
        if {item.name for item in sent} == {item.name for item in read}:
            related = False  # the same fields in another order
        grade: Grade = "harmless" if related else "corrupts"
        return self._finding(
            path + sent[0].name, grade, f"{ours!r} is read as {theirs!r}, of the same size"
        )

    def _conditional(self, party: Party, item: Field, path: str) -> Finding:
        who = "source" if party is self.source else "destination"
        prop = party.switched_on(self.driver, item.name)
        if prop is None:
            return self._finding(
                path + item.name,
                "harmless",
                f"only the {who} has field {item.name!r}, under a condition that does not hold "
                f"for {party.machine} or is its state's",
            )
        return self._finding(
            path + item.name, "refuses", f"{prop} has the {who} send field {item.name!r}"
        )

    def _pair(self, sent: Field, read: Field, path: str) -> Iterator[Finding]:
        name = path + sent.name
        if sent.struct is not None and read.struct is not None:
            if _counts_differ(sent, read):
                yield self._counts(sent, read, name)
            yield from self._description(
                sent.struct, read.struct, f"{name}.", read.struct.version_id
            )
        elif sent.struct is None and read.struct is None:
            plain = sent.size in PLAIN_SIZES and read.size in PLAIN_SIZES
            if _counts_differ(sent, read):
                sizes = [_known_size([item], tells_counts=True) for item in (sent, read)]
                if sizes[0] != sizes[1] or None in sizes:
                    yield self._counts(sent, read, name)
            elif sent.size != read.size and (plain or sent.name.startswith("unused")):
                yield self._finding(
                    name, "refuses", f"{sent.size} bytes are sent, {read.size} are read"
                )

    def _counts(self, sent: Field, read: Field, name: str) -> Finding:
        return self._finding(
            name,
            "harmless" if sent.conditional or read.conditional else "refuses",
            f"{sent.count} elements are sent, {read.count} are read",
        )

    # Subsections ------------------------------------------------------------------------------

    def _subsections(self, sent: Description, read: Description, path: str) -> Iterator[Finding]:
        # Of several with one name QEMU finds the first (vmstate_get_subsection).
        known = {subsection.name: subsection for subsection in reversed(read.subsections)}
        outer = self.subsection
        for subsection in sent.subsections:
            self.subsection = subsection.name
            own = known.get(subsection.name)
            if own is None:
                yield self._unknown_subsection(subsection)
            else:
                versions = list(self._versions(subsection, own))
                yield from versions or self._description(
                    subsection, own, path, subsection.version_id
                )
        self.subsection = outer

    def _unknown_subsection(self, subsection: Description) -> Finding:
        prop = self.source.switched_on(self.driver, subsection.name.rsplit("/", 1)[-1])
        if prop is None:
            return self._finding(
                None,
                "harmless",
                f"VM subsection '{subsection.name}' does not exist in the destination; "
                "it is sent only when it is needed",
            )
        return self._finding(
            None,
            "refuses",
            f"{refusals.unknown_subsection(subsection.name, self.sent.name)}, "
            f"and {prop} has it sent",
        )


def _keys(fields: Sequence[Field]) -> list[tuple[str, int]]:
    """A field's name, and which one of that name it is."""
    seen: dict[str, int] = {}
    keys = []
    for item in fields:
        again = seen.get(item.name, 0)
        seen[item.name] = again + 1
        keys.append((item.name, again))
    return keys


def _counts_differ(sent: Field, read: Field) -> bool:
    return sent.count is not None and read.count is not None and sent.count != read.count


def _known_size(fields: Sequence[Field], tells_counts: bool) -> int | None:
    """The bytes of fields on the wire, None where a dump does not tell."""
    total = 0
    for item in fields:
        count = 1 if item.count is None and tells_counts else item.count
        if item.struct is not None:
            always = [field for field in item.struct.fields if not field.conditional]
            each = _known_size(always, tells_counts)
        else:
            plain = item.size in PLAIN_SIZES or item.name.startswith("unused")
            each = item.size if plain else None
        if each is None or count is None:
            return None
        total += each * count
    return total
