"""The tab of changes: object by object what differs, what stands beside it and is said of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from frontend.addresses import release_address
from frontend.forms.changes import SaidForm
from frontend.views.change_tabs.declaring import mitigation_form
from machines.catalogue import NoCatalogue
from machines.emulator.qdev import same_value
from policy import history, state
from policy.document import Policy, differences, digest
from policy.document.differences import Difference
from policy.document.objects import ChangedObject, Kind, bit_of, changed_objects
from policy.edits import begun
from policy.errors import Invalid
from policy.history import Overlap
from policy.models import ChangeRequest, Thread
from policy.permissions import may
from policy.review import discussion, examining, reading
from policy.review.beside import Beside, BitFacts, EntryFacts

#: Lines of one object that are shown at once; a first policy has thousands.
MAX_SHOWN = 60
#: States that the list to compare with offers; the page "History" has all.
MAX_STATES = 30

_IDENTITY = re.compile(r" \([0-9a-f]{16}\)")
_KINDS: dict[Kind, str | Promise] = {
    "catalogue": _("Base catalogue"),
    "backport": _("Backport"),
    "machine type": _("Machine type"),
    "device": _("Device, blacklist"),
    "mitigations": _("Mitigations"),
    "migrations": _("Declared migrations"),
    "trials": _("Devices in the trials"),
    "waivers": _("Waivers"),
}


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a line. ``word`` says whose word the value is, where no decision is: a default,
    an array that it is inherited from.
    """

    text: str
    word: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the difference, by its ``anchor``; ``name`` says within its object what it is
    about, ``threads`` are those that are about it, ``entry`` or ``bit`` what stands beside it.
    """

    difference: Difference
    anchor: str
    name: str
    threads: list[Thread]
    entry: EntryFacts | None = None
    bit: BitFacts | None = None

    @property
    def left(self) -> Side | None:
        """What it was: decided so, or, where nothing was, what held without a decision."""
        if self.difference.before:
            return Side(self.difference.before)
        # A property that is new here has its default, whatever was before.
        return self._undecided((self.entry.before or self.entry.default) if self.entry else "")

    @property
    def right(self) -> Side | None:
        """What it is."""
        if self.difference.after:
            return Side(self.difference.after)
        return self._undecided(self.entry.after if self.entry else "")

    def _undecided(self, value: str) -> Side | None:
        if self.bit is not None:
            text = _("blacklisted") if self.bit.is_default else _("allowed")
            return Side(str(text), str(_("default")))
        if self.entry is None or not value:
            return None
        inherited = self.entry.origin or str(_("inherited"))
        return Side(value, str(_("default")) if value == self.entry.default else inherited)

    @property
    def default(self) -> str:
        """The property's default, where neither side tells it already."""
        sides = {side.word for side in (self.left, self.right) if side is not None}
        return "" if self.entry is None or str(_("default")) in sides else self.entry.default

    @property
    def loses(self) -> bool:
        """Does a later entry win, so that what is decided here has no effect?"""
        after = self.difference.after
        return bool(self.entry and after) and not same_value(after, self.entry.after)  # type: ignore[union-attr]

    @property
    def alike(self) -> list[str]:
        """The siblings that are treated alike; what they share with the driver is left out."""
        if self.entry is None:
            return []
        own = self.entry.driver
        return [
            name.removeprefix(own) if name.startswith(f"{own}-") else name
            for name in (item.driver for item in self.entry.siblings if item.is_alike)
        ]


@dataclass(frozen=True, slots=True)
class Card:
    """A changed object. ``address`` leads to its own page, ``hidden`` of the ``total`` lines are
    left out, ``others`` are open change requests that touch the same.
    """

    changed: ChangedObject
    kind: str
    name: str
    address: str
    lines: list[Line]
    total: int
    hidden: int
    is_read: bool
    others: list[ChangeRequest]


@dataclass(frozen=True, slots=True)
class Cards:
    """What the tab lists, and how much of it the person has read."""

    cards: list[Card]

    @property
    def total(self) -> int:
        return len(self.cards)

    @property
    def read(self) -> int:
        return sum(card.is_read for card in self.cards)


# --- A line, by its anchor ------------------------------------------------------------------------


def anchor_of(group: str, label: str) -> str:
    """A line of the difference, as addresses and forms name it."""
    return digest([group, label])[:12]


def line_of(change: ChangeRequest, anchor: str) -> Difference | None:
    """The line of the present difference that an anchor names."""
    found = differences.compare(state.baseline(change), change.policy)
    return next((item for item in found if anchor_of(item.group, item.label) == anchor), None)


def shown_line(change: ChangeRequest, user: Any, anchor: str) -> Line | None:
    """The line that an anchor names, as the tab shows it."""
    item = line_of(change, anchor)
    if item is None:
        return None
    shown = _Shown(change, user, state.baseline(change), change.policy, (), "")
    [changed] = changed_objects([item], (shown.before, shown.after))
    return shown.line(changed, item)


def shown_card(change: ChangeRequest, user: Any, key: str) -> tuple[Card | None, Cards]:
    """The object of that key as the tab shows it, and all of them."""
    overlaps = history.overlaps(change)
    cards = cards_of(change, user, state.baseline(change), change.policy, overlaps)
    return next((card for card in cards.cards if card.changed.key == key), None), cards


# --- The tab --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compared:
    """Which two states the page compares, where they are not what it starts from and now."""

    first: str
    second: str
    before: Policy
    after: Policy
    problem: str = ""


def _compared(change: ChangeRequest, request: HttpRequest) -> Compared | None:
    first = request.GET.get("from") or history.BASE
    second = request.GET.get("to") or history.NOW
    if (first, second) == (history.BASE, history.NOW):
        return None
    try:
        old, new = (history.named(change, name, request.user) for name in (first, second))
    except Invalid as error:
        before = state.baseline(change)
        return Compared(history.BASE, history.NOW, before, change.policy, str(error))
    return Compared(first, second, old.policy, new.policy)


def context(
    change: ChangeRequest, request: HttpRequest, found: tuple[Difference, ...]
) -> dict[str, Any]:
    compared = _compared(change, request)
    before = compared.before if compared else state.baseline(change)
    after = compared.after if compared else change.policy
    overlaps = history.overlaps(change)
    whole = request.GET.get("all", "")
    may_edit = change.is_editable and may(request.user, "edit", change.release.tree)
    return {
        **_backports(change),
        # Who only reads it has no use for what is not part of it, nor for forms.
        "begun": begun.begun_of(change) if may_edit else [],
        "mitigation_form": mitigation_form(change) if may_edit else None,
        "overlaps": overlaps,
        "shown": cards_of(change, request.user, before, after, overlaps, whole),
        "compared": compared,
        # What is read is what the change does: a mark is of that, not of a step on the way.
        "may_mark": change.is_open and (compared is None or bool(compared.problem)),
        # The page of history offers them; here they stand while two of them are compared.
        "states": history.states(change)[:MAX_STATES] if compared else (),
        "asked": request.GET.get("ask", ""),
        "ask_form": SaidForm(),
        "mitigations": list(enumerate(change.policy.mitigations)),
    }


def _backports(change: ChangeRequest) -> dict[str, Any]:
    """The draft's backports with what follows from each."""
    # One that is closed is compared as its release: nobody chooses it any more.
    end = f"change-{change.pk}" if change.is_open else change.release.label
    try:
        taken = examining.backports_of(change.policy, change.release)
    except NoCatalogue as error:
        return {"backports": (), "backport_problem": str(error)}
    return {"backports": taken, "end": end}


def cards_of(
    change: ChangeRequest,
    user: Any,
    before: Policy,
    after: Policy,
    overlaps: Sequence[Overlap],
    whole: str = "",
) -> Cards:
    """What differs between the two policies, object by object; all lines of the object whose key
    is ``whole``.
    """
    objects = changed_objects(differences.compare(before, after), (before, after))
    shown = _Shown(change, user, before, after, overlaps, whole)
    read = reading.read_by(change, user, objects)
    return Cards([shown.card(item, item.key in read) for item in objects])


class _Shown:
    """Two policies of a change request, and how their differences are shown to a person."""

    def __init__(
        self,
        change: ChangeRequest,
        user: Any,
        before: Policy,
        after: Policy,
        overlaps: Sequence[Overlap],
        whole: str,
    ) -> None:
        self.change, self.before, self.after = change, before, after
        self.overlaps, self.whole = overlaps, whole
        self.beside = _beside(before, after)
        self.about: dict[tuple[str, str], list[Thread]] = {}
        for thread in discussion.threads(change, user):
            self.about.setdefault((thread.group, thread.label), []).append(thread)

    def card(self, changed: ChangedObject, is_read: bool) -> Card:
        listed = changed.lines if changed.key == self.whole else changed.lines[:MAX_SHOWN]
        # A line that somebody asks about is never left out.
        further = [
            item for item in changed.lines[len(listed) :] if (item.group, item.label) in self.about
        ]
        lines = [self.line(changed, item) for item in (*listed, *further)]
        labels = {item.label for item in changed.lines}
        return Card(
            changed=changed,
            kind=str(_KINDS[changed.kind]),
            name=self._name(changed),
            address=self._address(changed),
            lines=lines,
            total=len(changed.lines),
            hidden=len(changed.lines) - len(lines),
            is_read=is_read,
            others=[item.change for item in self.overlaps if labels & set(item.labels)],
        )

    def line(self, changed: ChangedObject, item: Difference) -> Line:
        facts = self.beside.of(item) if self.beside is not None else None
        return Line(
            difference=item,
            anchor=anchor_of(item.group, item.label),
            name=_name_within(changed, item),
            threads=self.about.get((item.group, item.label), []),
            entry=facts if isinstance(facts, EntryFacts) else None,
            bit=facts if isinstance(facts, BitFacts) else None,
        )

    def _name(self, changed: ChangedObject) -> str:
        if changed.kind != "backport":
            return changed.name
        taken = (*self.after.backports, *self.before.backports)
        titles = (item.feature.title for item in taken if item.feature.slug == changed.name)
        return next(titles, changed.name)

    def _address(self, changed: ChangedObject) -> str:
        if changed.kind == "backport":
            return reverse("feature", args=[changed.name])
        names = {"machine type": "machine-type", "device": "device"}
        if changed.kind not in names:
            return ""
        if changed.kind == "machine type" and self.after.machine_type(changed.name) is None:
            return ""
        release, within = self.change.release, self.change.pk if self.change.is_open else ""
        return release_address(names[changed.kind], release, changed.name, change=within)


def _beside(before: Policy, after: Policy) -> Beside | None:
    """None where a catalogue is missing: the lines then stand alone."""
    try:
        return Beside(state.of_policy(before), state.of_policy(after))
    except NoCatalogue:
        return None


def _name_within(changed: ChangedObject, item: Difference) -> str:
    """What a line is about, where its object's name stands above it."""
    if item.group == "Compat properties":
        place = differences.entry_place(item.label)
        return f"{place.property}{place.again}"
    if item.group == "Machine types":
        return str(_("the machine type itself"))
    if item.group == "Blacklist bitmaps" and (bit := bit_of(item.label)) is not None:
        version = str(_("absent")) if bit.version == 0 else f"v{bit.version}"
        return f"{bit.section} {version}"
    if changed.kind == "backport":
        label = min((line.label for line in changed.lines), key=len)
        return item.label.removeprefix(f"{label}: ") if item.label != label else str(_("feature"))
    if changed.kind == "waivers":
        # The finding's identity tells a person nothing that the line does not.
        return _IDENTITY.sub("", item.label)
    return item.label
