"""What a destination's device reads of a section, against what was sent, field by field.

The destination reads its own layout (migration/vmstate.c). Where the two layouts take the same
bytes, a refusal can only come from a value that is compared (:mod:`machines.emulator.checks`).
Where they do not, the footer is not where it should be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from machines.emulator import refusals
from machines.emulator.catalogue import Description
from machines.emulator.checks import check_of
from machines.emulator.decode import integer_type
from machines.emulator.names import words
from machines.emulator.snapshot import (
    ELEMENT,
    MAX_INTERNED,
    SentField,
    SentLayout,
    SentSection,
    is_checked,
    layout_of,
)
from machines.emulator.suggest import Destination
from machines.emulator.verdict import Kind, Refusal

#: Types that bring their own length, so that a destination reads them whatever it is.
SELF_DELIMITING = frozenset({"virtio", "qtailq", "qlist", "gtree", "scsi-requests"})

#: A field by which a structure tells its version to its own predicates (hw/scsi/esp.c).
VERSION_FIELD = "version_id"
#: What a device puts before the name of a field that it has only to read older streams.
KEPT_FOR_MIGRATION = "mig_"
MAX_GUARD_DISTANCE = 64  # fields between a number and what it decides
MAX_SUMS = 4096  # of the sizes of optional fields


@dataclass(frozen=True, slots=True)
class _Plan:
    """Two layouts that are read alike, and the fields whose values are then looked at."""

    sent: SentLayout
    expected: SentLayout
    description: Description | None
    pairs: tuple[tuple[SentField, SentField], ...]


_plans: dict[tuple[int, ...], _Plan] = {}


class Reading:
    """What a destination's device reads of a section, against what was sent."""

    def __init__(
        self,
        section: SentSection,
        own: SentSection,
        description: Description | None,
        destination: Destination,
    ) -> None:
        self.section = section
        self.own = own
        self.description = description
        self.destination = destination
        self.sent = layout_of(section)
        self.expected = layout_of(own)
        self.depends_on_values = False
        self.checked: list[tuple[SentField, SentField]] = []
        self.optional: set[str] = set()

    def refusals(self) -> Iterator[Refusal]:
        if self.section.version_id == self.own.version_id and self._same_layout():
            for number in self.expected.checked:
                yield from self._pair(self.sent.leaves[number], self.expected.leaves[number])
            return
        key = (id(self.sent), id(self.expected), id(self.description), self.section.version_id)
        plan = _plans.get(key)
        if plan is None or plan.sent is not self.sent or plan.expected is not self.expected:
            yield from self._compare(key)
        else:
            for leaf, own in plan.pairs:
                yield from self._pair(leaf, own)
        yield from self._unknown_subsections()

    def _compare(self, key: tuple[int, ...]) -> Iterator[Refusal]:
        """Field by field; what was found is kept where it does not depend on any value."""
        dropped = self._unneeded()
        sent = [leaf for leaf in self.sent.leaves if not self._in(leaf, dropped)]
        absent = {path for path in self.expected.subsections if path not in self.sent.subsections}
        expected = [
            leaf
            for leaf in self.expected.leaves
            if not self._in(leaf, absent) and not self._newer(leaf)
        ]
        sent, expected = self._as_the_state_asks(sent, expected)
        if self._versions_differ():
            sent, expected = self._as_the_version_asks(sent, expected)
        refused = False
        for refusal in self._walk(sent, expected):
            refused |= refusal.kind == "layout"
            yield refusal
        if not refused and not self.depends_on_values:
            if len(_plans) >= MAX_INTERNED:
                _plans.clear()
            _plans[key] = _Plan(self.sent, self.expected, self.description, tuple(self.checked))

    def _same_layout(self) -> bool:
        if self.sent is self.expected:
            return True
        return (
            self.sent.subsections == self.expected.subsections
            and self.sent.shape == self.expected.shape
        )

    @staticmethod
    def _in(leaf: SentField, paths: set[tuple[str, ...]]) -> bool:
        inside = leaf.subsections
        return bool(paths and inside) and any(
            inside[:length] in paths for length in range(1, len(inside) + 1)
        )

    def _unneeded(self) -> set[tuple[str, ...]]:
        """Subsections that the profile did not need: the destination reads them all the same."""
        return {path for path in self.sent.subsections if path not in self.expected.subsections}

    def _unknown_subsections(self) -> list[Refusal]:
        found = []
        known = _memo(self.description).subsections if self.description else None
        for path, header in self.sent.subsections.items():
            ours = self.expected.subsections.get(path)
            if ours is not None:
                if header.version_id > ours.version_id:
                    found.append(
                        self._refusal(
                            header.name,
                            "version-too-new",
                            refusals.version_too_new(
                                header.name, header.version_id, ours.version_id
                            ),
                        )
                    )
            elif known is not None and header.name not in known:
                found.append(
                    self._refusal(
                        header.name,
                        "unknown-section",
                        refusals.unknown_subsection(header.name, self.section.name),
                    )
                )
        return found

    def _newer(self, leaf: SentField) -> bool:
        """A field that the destination's description has only in versions above the sent one."""
        if self.section.version_id == self.own.version_id or self.description is None:
            return False
        if leaf.subsections:
            return False
        versions = _memo(self.description).versions
        name = leaf.path
        while name:
            since = versions.get(name.split("#")[0])
            if since is not None:
                return since > self.section.version_id
            cut = max(name.rfind("."), name.rfind("["))
            name = name[:cut] if cut > 0 else ""
        return False

    def _versions_differ(self) -> bool:
        """Whether predicates may decide otherwise than the profile shows.

        They look at the section's version, or at one that a field brings (``mig_version_id``).
        """
        if self.section.version_id != self.own.version_id:
            return True
        for place in self.sent.places.keys() & self.expected.places.keys():
            if place.endswith(VERSION_FIELD) and self._differs(place):
                self.depends_on_values = True
                return True
        return False

    def _as_the_state_asks(
        self, sent: list[SentField], expected: list[SentField]
    ) -> tuple[list[SentField], list[SentField]]:
        """Leaves out conditional fields of one side that a field before them decides.

        Such a predicate asks for what was just loaded: ``identify_set`` tells whether
        ``identify_data`` follows (hw/ide/core.c).
        """
        if self.description is None:
            return sent, expected
        conditional = _memo(self.description).conditional
        there, here = {leaf.place for leaf in sent}, {leaf.place for leaf in expected}
        told = {
            leaf.place
            for leaves, side in ((sent, self.sent), (expected, self.expected))
            for leaf in leaves
            if leaf.place not in there & here
            and _under(leaf, conditional)
            and self._is_told(leaf, side)
        }
        self.depends_on_values |= bool(told)
        return (
            [leaf for leaf in sent if leaf.place not in told],
            [leaf for leaf in expected if leaf.place not in told],
        )

    def _is_told(self, leaf: SentField, side: SentLayout) -> bool:
        """Whether a number before it, of the same structure and named alike, has another value."""
        inside, _, name = leaf.path.rpartition(".")
        others = self.expected if side is self.sent else self.sent
        at = side.order[leaf.place]
        return any(
            guard.path.rpartition(".")[0] == inside
            and integer_type(guard.kind) is not None
            and words(guard.path.rpartition(".")[2]) & words(name)
            and guard.place in others.places
            and self._differs(guard.place)
            for guard in side.leaves[max(0, at - MAX_GUARD_DISTANCE) : at]
        )

    def _differs(self, place: str) -> bool:
        ours, theirs = self.expected.places[place], self.sent.places[place]
        return self._own_bytes(ours) != self._sent_bytes(theirs)

    def _as_the_version_asks(
        self, sent: list[SentField], expected: list[SentField]
    ) -> tuple[list[SentField], list[SentField]]:
        """Leaves out conditional fields that only the stream has, as the destination reads them.

        Those that only the profile has become ``optional``: nobody knows of which versions they
        are.
        """
        if self.description is None:
            return sent, expected
        conditional = _memo(self.description).conditional
        there, here = {leaf.place for leaf in sent}, {leaf.place for leaf in expected}
        self.optional = {
            leaf.place for leaf in expected if leaf.place not in there and _under(leaf, conditional)
        }
        kept = [leaf for leaf in sent if leaf.place in here or not _under(leaf, conditional)]
        return kept, expected

    def _refusal(self, path: str | None, kind: Kind, reason: str) -> Refusal:
        return Refusal(self.section.idstr, path, kind, reason, self.section.name)

    # Field by field --------------------------------------------------------------------------

    def _walk(self, sent: list[SentField], expected: list[SentField]) -> Iterator[Refusal]:
        """Fields of one path belong together; what lies between them must take the same bytes.

        Where it does not, the destination reads on at the wrong place (``drift``) and what it
        finds there means nothing, unless later fields make up for it: a footer that is where it
        is expected is all that QEMU asks for.
        """
        places = {leaf.place: index for index, leaf in enumerate(expected)}
        start = at = drift = 0
        first = ""
        unread: list[int] = []  # the sizes of optional fields that nothing was sent for
        for index in range(len(sent) + 1):
            if index < len(sent):
                place = places.get(sent[index].place, -1)
                if place < at or not self._alike(sent[index], expected[place]):
                    continue
            else:
                place = len(expected)
            change = self._gap(sent[start:index], expected[at:place], unread)
            if change and not drift:
                first = (sent[start:index] or expected[at:place])[0].path
            drift += change
            if index < len(sent) and not drift and is_checked(expected[place]):
                self.checked.append((sent[index], expected[place]))
                yield from self._pair(sent[index], expected[place])
            start, at = index + 1, place + 1
        if _left_over(unread, drift) is None:
            refusal = self._refusal(first, "layout", refusals.missing_footer(self.section.idstr))
            yield replace(refusal, moved=self._elements_moved(first))

    def _elements_moved(self, path: str) -> bool:
        """Whether the elements that both sides have of an array differ from place to place."""
        base = path.split("[", 1)[0] + "["
        sent = {leaf.path: leaf for leaf in self.sent.leaves if leaf.path.startswith(base)}
        return any(
            leaf.path in sent and self._sent_bytes(sent[leaf.path]) != self._own_bytes(leaf)
            for leaf in self.expected.leaves
        )

    def _sent_bytes(self, leaf: SentField) -> bytes:
        return self.section.payload[leaf.offset : leaf.offset + leaf.size]

    def _own_bytes(self, leaf: SentField) -> bytes:
        return self.own.payload[leaf.offset : leaf.offset + leaf.size]

    def _alike(self, leaf: SentField, own: SentField) -> bool:
        """Whether two fields of one path are read as one, whatever their sizes."""
        if leaf.size == own.size or own.kind.lower() in SELF_DELIMITING or own.kind == "pci config":
            return True
        self.depends_on_values = True
        if own.kind == "virtio-gpu":  # a guest's resources are sent before the scanouts
            return not (
                self._has_no_resources(self.section, leaf) and self._has_no_resources(self.own, own)
            )
        return self._count_is_sent(leaf.count, own.count, leaf) or self._count_is_sent(
            leaf.size, own.size, leaf
        )

    @staticmethod
    def _has_no_resources(section: SentSection, leaf: SentField) -> bool:
        """A list of resources ends with id 0 (hw/display/virtio-gpu.c): here it ends at once."""
        return section.payload[leaf.offset : leaf.offset + 4] == bytes(4)

    def _gap(self, sent: list[SentField], expected: list[SentField], unread: list[int]) -> int:
        """How many bytes more are sent than read, of fields that are not read as one.

        Optional fields are taken for what was sent at their place, else left in ``unread``.
        """
        optional = [leaf.size for leaf in expected if leaf.place in self.optional]
        must = [leaf for leaf in expected if leaf.place not in self.optional]
        change = sum(leaf.size for leaf in sent) - sum(leaf.size for leaf in must)
        if (left := _left_over(optional, change)) is not None:
            unread += left
            return 0
        unread += optional
        self.depends_on_values = True
        return 0 if self._same_elements(sent or must) else change

    def _same_elements(self, leaves: list[SentField]) -> bool:
        """Array elements beyond the other side's, where the stream itself tells the number."""
        bases = {leaf.path.rsplit("[", 1)[0] for leaf in leaves if "[" in leaf.path}
        if len(bases) == 0 or any("[" not in leaf.path for leaf in leaves):
            return False
        for leaf in leaves:
            base = leaf.path.split("[", 1)[0]
            if not self._count_is_sent(
                _elements(self.sent.leaves, base), _elements(self.expected.leaves, base), leaf
            ):
                return False
        return True

    def _count_is_sent(self, sent: int, expected: int, before: SentField) -> bool:
        """Whether an earlier whole number says ``sent`` there and ``expected`` here."""
        for leaf in self.sent.leaves:
            if leaf.place == before.place:
                break
            other = self.expected.places.get(leaf.place)
            if (
                other is not None
                and leaf.count == 1
                and integer_type(leaf.kind) is not None
                and not leaf.kind.endswith(" equal")
                and _integer(self.section.payload, leaf) == sent
                and _integer(self.own.payload, other) == expected
            ):
                return True
        return False

    def _pair(self, leaf: SentField, own: SentField) -> Iterator[Refusal]:
        incoming, ours = self._sent_bytes(leaf), self._own_bytes(own)
        if incoming == ours:
            return
        if (check := check_of(own)) is not None:
            yield from check(self, own, incoming, ours)

    def failed(self, leaf: SentField, kind: Kind, reason: str) -> Refusal:
        """A field's own check failed; QEMU then names structure and field."""
        name = leaf.path.rsplit(".", 1)[-1].split("[")[0].split("#")[0]
        said = refusals.failed_to_load(reason, leaf.structure, name)
        return self._refusal(leaf.path, kind, said)


def _under(leaf: SentField, places: frozenset[str]) -> bool:
    """Whether a field, or a structure that it is in, is one of ``places``."""
    steps = leaf.place.split("#")[0].split(".")
    return any(".".join(steps[:length]) in places for length in range(1, len(steps) + 1))


def _left_over(sizes: Sequence[int], size: int) -> list[int] | None:
    """What remains of ``sizes`` when some of them make up ``size``, None where none do."""
    sums: dict[int, tuple[int, ...]] = {0: ()}  # a sum → the numbers of the sizes in it
    for number, each in enumerate(sizes):
        for total, members in [*sums.items()]:
            if total + each <= size and len(sums) < MAX_SUMS:
                sums.setdefault(total + each, (*members, number))
    if size not in sums:
        return None
    return [each for number, each in enumerate(sizes) if number not in sums[size]]


def _elements(leaves: Sequence[SentField], base: str) -> int:
    prefix = f"{base}["
    return len(
        {
            leaf.path[len(prefix) :].split("]", 1)[0]
            for leaf in leaves
            if leaf.path.startswith(prefix)
        }
    )


def _integer(payload: bytes, leaf: SentField) -> int:
    return int.from_bytes(
        payload[leaf.offset : leaf.offset + leaf.size], "big", signed=bool(integer_type(leaf.kind))
    )


class _Memo:
    """A description's digest, made once: hashing the whole tree each time would cost more."""

    def __init__(self, description: Description) -> None:
        self.description = description
        self.subsections = frozenset(
            subsection.name for item in description.walk() for subsection in item.subsections
        )
        self.versions: dict[str, int] = {}
        for item in description.fields:
            self.versions[item.name] = min(
                item.version_id, self.versions.get(item.name, item.version_id)
            )
        self.conditional = frozenset(_conditional(description, ""))


def _conditional(description: Description, inside: str) -> Iterator[str]:
    """The places of fields that a predicate decides, also under the name that they once had."""
    for item in description.fields:
        name = ELEMENT.sub("", item.name)
        if item.conditional:
            yield inside + name
            yield inside + name.removeprefix(KEPT_FOR_MIGRATION)
        elif item.struct is not None:
            yield from _conditional(item.struct, f"{inside}{name}.")
    for subsection in description.subsections:
        yield from _conditional(subsection, f"{subsection.name}/")


_memos: dict[int, _Memo] = {}


def _memo(description: Description) -> _Memo:
    known = _memos.get(id(description))
    if known is None or known.description is not description:
        if len(_memos) > 8192:
            _memos.clear()
        known = _memos[id(description)] = _Memo(description)
    return known
