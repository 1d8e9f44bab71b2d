"""Every component of templates/components/ in every state, for the page that shows them all.

A component that is added gets its specimens here: a test holds that none is missing. The values are
made up and belong to no release; nothing here is in the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from django.contrib.auth.models import User
from django.contrib.messages import ERROR, SUCCESS, WARNING
from django.contrib.messages.storage.base import Message
from django.core.paginator import Paginator
from django.template.loader import get_template
from django.utils import timezone

from frontend.forms.people import DisplayForm, TokenForm
from frontend.lists import Chip
from frontend.shown.entries import Row
from frontend.shown.grid import ShownCell
from frontend.templatetags.lockstep import GRADES, OUTCOMES, SEVERITIES, STATUSES
from machines.emulator.catalogue import CompatProperty
from machines.models import Stream
from policy.document.differences import Difference
from policy.rules.bitmaps import Cell, SectionBitmap
from workers.models import Job

COMPONENTS = "components"


@dataclass(frozen=True, slots=True)
class Specimen:
    """One state of a component. ``within``: the element around it, for one that needs it."""

    name: str
    caption: str
    context: Mapping[str, Any]
    within: str = ""


def specimens() -> Iterator[Specimen]:
    """All of them, one component after the other."""
    yield from _badges()
    yield from _values()
    yield from _messages()
    yield from _work()
    yield from _forms()
    yield from _frames()


def described(name: str) -> str:
    """What the component's own head comment says of it and its context."""
    source = get_template(f"{COMPONENTS}/{name}.html").template.source  # type: ignore[attr-defined]
    lines = [line for line in source.splitlines() if line.startswith("{#")]
    return " ".join(line.removeprefix("{#").removesuffix("#}").strip() for line in lines)


def _badges() -> Iterator[Specimen]:
    for name in OUTCOMES:
        yield Specimen("outcome", name, {"outcome": name})
    yield Specimen("outcome", "its inputs changed since", {"outcome": "correct", "stale": True})
    for name in STATUSES:
        yield Specimen("status", name, {"status": name})
    for name in GRADES:
        yield Specimen("grade", name, {"grade": name})
    for name in SEVERITIES:
        yield Specimen("severity", name, {"severity": name})
    for caption, revoked, signed in (("revoked", 1, 1), ("signed", 0, 1), ("neither", 0, 0)):
        bundle = SimpleNamespace(revocation=revoked, is_signed=signed)
        yield Specimen("bundle_state", caption, {"bundle": bundle})
    for state in Stream.State:
        yield Specimen("stream_state", state, {"stream": Stream(state=state)})
    for tone in ("blue", "amber", "red", "grey", "violet", "teal", "outline", "waived"):
        yield Specimen("badge", tone, {"tone": tone, "symbol": "●", "word": "a word"})


def _values() -> Iterator[Specimen]:
    yield Specimen("property", "", {"driver": "virtio-rng-pci", "name": "vectors"})
    yield Specimen("property_value", "as it is by default", {"value": "2", "default": "2"})
    yield Specimen("property_value", "another than the default", {"value": "0", "default": "2"})
    yield Specimen("property_value", "loses to a later one", {"value": "0", "lost": True})
    yield Specimen("property_value", "an empty text", {"value": ""})
    sentence = "A guest that comes from 9.2 has never had its reservation migrated. "
    for caption, times in (("short", 2), ("folded on a narrow page", 10), ("folded", 20)):
        yield Specimen("long_text", caption, {"text": sentence * times, "label": "Description"})
    yield from _rows()
    yield from _cells()
    for kind, before, after in (
        ("added", "", "0"),
        ("removed", "0", ""),
        ("changed", "2", "0"),
        ("moved", "third", "first"),
    ):
        difference: Any = Difference("", "virtio-rng-pci.vectors", kind, before, after, "a reason")  # type: ignore[arg-type]
        yield Specimen("diff_line", kind, {"difference": difference})
    yield Specimen("digest", "", {"digest": "4643913a5c1f9e0d7b66" * 3 + "0a1b"})
    yield Specimen("person", "", {"user": User(username="maintainer")})
    yield Specimen("person", "leads to their page", {"user": "maintainer", "link": True})
    now = timezone.now()
    for caption, passed in (("now", 0), ("minutes", 300), ("days", 400_000), ("to come", -9000)):
        yield Specimen("time", caption, {"time": now - timedelta(seconds=passed)})
    yield from _changed()
    for fate in ("same", "renamed", "dropped", "unread", "lost", "altered"):
        shown = SimpleNamespace(
            arrival=SimpleNamespace(fate=fate, target="fifo.num"), found="0x10", value="0x10"
        )
        yield Specimen("fate", fate, {"shown": shown})
    for refusal in ("unknown-section", "version-too-new", "layout", "pci-config", "virtio"):
        yield Specimen("refusal_kind", refusal, {"kind": refusal})


def _changed() -> Iterator[Specimen]:
    nothing: dict[str, Any] = {"count": 0, "names": []}
    some = {"count": 2, "names": ["virtio-rng-pci", "isa-serial"]}
    for caption, change in (
        ("new ones", {"added": some, "removed": nothing, "changed": nothing}),
        ("of every kind", {"added": some, "removed": some, "changed": some}),
    ):
        yield Specimen("changed_counts", caption, {"change": change})


def _rows() -> Iterator[Specimen]:
    entry = CompatProperty("virtio-rng-pci", "vectors", "0", "hw_compat_9_0")
    later = Row(7, "pc-q35-9.0", 1, CompatProperty("virtio-pci", "vectors", "3", "pc_compat_9_0"))
    shown: dict[str, Any] = {"name": "pc-q35-9.0", "told_by": "query-machines", "full": True}
    shown["parents"] = {"pc-q35-9.0": ""}
    for caption, row in (
        ("differs from the default", Row(1, "pc-q35-9.0", 0, entry, "uint32", "2", known=True)),
        ("overridden", Row(2, "pc-q35-9.0", 0, entry, "uint32", "2", known=True, winner=later)),
        ("except on some", Row(3, "pc-q35-9.0", 0, entry, "uint32", "2", True, None, (later,))),
        ("unknown to the catalogue", Row(4, "pc-q35-9.0", 0, entry)),
    ):
        yield Specimen("property_row", caption, shown | {"row": row}, within="tbody")


def _cells() -> Iterator[Specimen]:
    section = SectionBitmap("foo", "foo/d", "foo/d", 1, 2, True, (), "", "", "")
    for caption, cell, was in (
        ("carries everything", Cell(2, 2, False, False, "allowed"), ""),
        ("blacklisted by default", Cell(1, 1, True, True, "default", ("it lacks D",)), ""),
        ("relaxed", Cell(0, 0, True, False, "relaxed", ("it lacks D",), "agreed"), ""),
        ("tightened", Cell(2, 2, False, True, "tightened", (), "not tested"), ""),
        ("turned over, not saved", Cell(1, 1, True, False, "relaxed", (), "preview"), "default"),
        ("a run of them", Cell(3, 9999, True, True, "default", ("nobody wrote it",)), ""),
    ):
        key = f"{cell.version}-{caption.split()[0]}"
        shown = ShownCell(cell, key, "#", was, is_selected=caption == "relaxed")
        yield Specimen("version_cell", caption, {"shown": shown, "section": section})


def _messages() -> Iterator[Specimen]:
    for level in ("info", "success", "warning", "error"):
        yield Specimen("notice", level, {"level": level, "text": "Something is to be told."})
    commands = "curl --fail --remote-name https://lockstep.example.org/lockstep-keys.asc\n"
    commands += "python3 lockstep-verify.pyz lockstep-rhel-9.2-r1.tar.gz"
    yield Specimen("command", "commands", {"text": commands})
    yield Specimen("command", "a secret", {"kind": "secret", "text": "a-secret-" * 9})
    empty = {"title": "No trial fits", "text": "Take a filter away to see more."}
    yield Specimen("empty", "", empty)
    yield Specimen("empty", "leads on", empty | {"href": "#", "action": "Clear the filters"})
    said = [Message(level, "It was told.") for level in (SUCCESS, WARNING, ERROR)]
    yield Specimen("messages", "after a reload", {"messages": said}, within="inline-messages")


def _job(status: str, done: int, total: int, text: str = "") -> Job:
    started = timezone.now() - timedelta(seconds=40)
    return Job(
        pk=7,
        kind=Job.Kind.TRIALS,
        title="Trial migrations of #2",
        status=status,
        progress_done=done,
        progress_total=total,
        progress_text=text,
        started_at=None if status == Job.Status.QUEUED else started,
    )


def _work() -> Iterator[Specimen]:
    for caption, job in (
        ("waits", _job(Job.Status.QUEUED, 0, 0)),
        ("how much is not known", _job(Job.Status.RUNNING, 0, 0, "reading the files")),
        ("runs", _job(Job.Status.RUNNING, 40, 150, "rhel 9.2 → rhel 9.3, pc-q35-rhel9.2.0")),
        ("done", _job(Job.Status.DONE, 150, 150)),
        ("failed", _job(Job.Status.FAILED, 12, 150)),
    ):
        yield Specimen("progress", caption, {"job": job})
    for status in (Job.Status.DONE, Job.Status.FAILED):
        yield Specimen("toast", status, {"job": _job(status, 1, 1)})


def _forms() -> Iterator[Specimen]:
    fresh, wrong = TokenForm(auto_id="id_fresh_%s"), TokenForm({"name": ""}, auto_id="id_wrong_%s")
    wrong.add_error(None, "Another token has this name.")
    choice = DisplayForm(initial={"theme": "dark"}, auto_id="id_choice_%s")
    yield Specimen("form_field", "a text", {"field": fresh["name"]})
    yield Specimen("form_field", "with an error", {"field": wrong["name"]})
    yield Specimen("form_field", "short", {"field": fresh["expires"], "narrow": True})
    yield Specimen("form_field", "a box to tick", {"field": fresh["write"]})
    yield Specimen("form_field", "a choice", {"field": choice["theme"]})
    yield Specimen("form_errors", "", {"form": wrong})


def _frames() -> Iterator[Specimen]:
    yield Specimen("page_header", "", {"title": "Trials", "subtitle": "the newest first"})
    yield Specimen(
        "page_header",
        "a name of QEMU's, a status",
        {"title": "pc-q35-rhel9.2.0", "mono": True, "status": "approved"},
    )
    chips = [Chip("outcome", "corrupt", "#"), Chip("release", "rhel 9.2", "#")]
    yield Specimen("chips", "", {"chips": chips})
    pages = Paginator(range(240), 50)
    yield Specimen("pagination", "several pages", {"page": pages.page(2)})
    yield Specimen("pagination", "one page", {"page": Paginator(range(7), 50).page(1)})
    yield Specimen("settings_tabs", "", {"here": "tokens"})
    yield Specimen("logo", "", {})
