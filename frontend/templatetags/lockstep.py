"""What templates need beside Django's own: outcomes and states in words, addresses, controls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django import forms, template
from django.forms import BoundField
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _

from frontend.addresses import release_address
from machines.models import Release

register = template.Library()


@dataclass(frozen=True, slots=True)
class Mark:
    """How a state is shown: never by colour alone."""

    name: str
    symbol: str
    word: str | Promise
    tone: str = "grey"


OUTCOMES = {
    mark.name: mark
    for mark in (
        Mark("correct", "✓", _("correct"), "blue"),
        Mark("degraded", "◐", _("degraded"), "amber"),
        Mark("corrupt", "!", _("corrupt"), "red"),
        Mark("refused", "✕", _("refused"), "grey"),
        Mark("not-run", "○", _("not run"), "outline"),
        Mark("running", "…", _("running"), "violet"),
        Mark("could-not-run", "⚠", _("could not run"), "red"),
        Mark("waived", "⊘", _("waived"), "waived"),
    )
}
STATUSES = {
    mark.name: mark
    for mark in (
        Mark("draft", "✎", _("draft"), "outline"),
        Mark("submitted", "◔", _("in review"), "violet"),
        Mark("changes-requested", "↺", _("changes requested"), "amber"),
        Mark("approved", "✓", _("approved"), "blue"),
        Mark("published", "●", _("published"), "teal"),
        Mark("withdrawn", "✕", _("withdrawn"), "grey"),
        Mark("queued", "○", _("waiting"), "outline"),
        Mark("running", "…", _("running"), "violet"),
        Mark("done", "✓", _("done"), "blue"),
        Mark("failed", "✕", _("failed"), "red"),
        Mark("quarantined", "⚠", _("given up"), "red"),
        Mark("cancelled", "✕", _("cancelled"), "grey"),
    )
}
GRADES = {
    mark.name: mark
    for mark in (
        Mark("corrupts", "!", _("corrupts"), "red"),
        Mark("refuses", "✕", _("refuses"), "grey"),
        Mark("harmless", "✓", _("harmless"), "blue"),
    )
}
SEVERITIES = {
    mark.name: mark
    for mark in (
        Mark("error", "✕", _("error"), "red"),
        Mark("warning", "!", _("warning"), "amber"),
        Mark("note", "i", _("note"), "grey"),
    )
}
#: After what a name of QEMU's may be broken; not inside an entity of HTML.
_JOINTS = re.compile(r"([/_.-])")
_HEX = re.compile(r"[0-9a-fA-F]{12,}")
#: Other names under which a trial's state reaches a template.
_ALIASES = {"": "not-run", "queued": "not-run", "failed": "could-not-run"}


@register.simple_block_tag
def notice(content: str, level: str = "info") -> SafeString:
    """Something to be told in its place: ``{% notice "error" %}…{% endnotice %}``."""
    context = {"level": level, "text": content}
    return render_to_string("components/notice.html", context)


@register.simple_block_tag
def command(content: str, kind: str = "command") -> SafeString:
    """Commands to copy, ``{% command %}…{% endcommand %}``, or a ``{% command "secret" %}``."""
    text = mark_safe(content.strip())  # noqa: S308 - it is rendered, and only shorter now
    return render_to_string("components/command.html", {"kind": kind, "text": text})


@register.simple_block_tag
def badge(content: str, tone: str = "outline", symbol: str = "", hint: str = "") -> SafeString:
    """A state in words: ``{% badge "teal" "●" %}r{{ number }}{% endbadge %}``."""
    return _badge(tone, symbol, conditional_escape(content), conditional_escape(hint))


@register.simple_tag
def badge_of(mark: Mark) -> SafeString:
    """A mark's badge: ``{% status_of status as found %}{% badge_of found %}``."""
    return _badge(mark.tone, mark.symbol, conditional_escape(str(mark.word)), SafeString())


@lru_cache(maxsize=1024)
def _badge(tone: str, symbol: str, word: SafeString, hint: SafeString) -> SafeString:
    """Drawn once for all the rows that show it. What it is made of is escaped: a text and the same
    letters as markup would be one to the cache.
    """
    context = {"tone": tone, "symbol": symbol, "hint": hint, "word": word}
    return render_to_string("components/badge.html", context)


@register.simple_tag
def outcome(name: str, stale: Any = None) -> SafeString:
    """The badge of a trial's outcome; ``stale``: its inputs changed since. A list that has hundreds
    writes ``{% outcome trial.outcome %}``, others include ``components/outcome.html``.
    """
    mark = outcome_of(name)
    word = f"{mark.word} · {_('stale')}" if stale else str(mark.word)
    return _badge(mark.tone, mark.symbol, conditional_escape(word), SafeString())


@register.simple_tag
def outcome_of(outcome: str) -> Mark:
    """The mark of a trial's outcome, or of why it has none yet."""
    name = _ALIASES.get(outcome or "", outcome)
    return OUTCOMES.get(name, Mark(name, "?", name))


@register.simple_tag
def status_of(status: str) -> Mark:
    """The mark of a change request's or a job's status."""
    return STATUSES.get(status, Mark(status, "?", status))


@register.simple_tag
def grade_of(grade: str) -> Mark:
    """The mark of a static difference's grade."""
    return GRADES.get(grade, Mark(grade, "?", grade))


@register.simple_tag
def severity_of(severity: str) -> Mark:
    """The mark of a finding's severity."""
    return SEVERITIES.get(severity, Mark(severity, "?", severity))


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as a page shows it: for programs, exactly in the person's time zone, and relative."""

    iso: str
    exact: str
    words: str


@register.simple_tag
def moment_of(time: datetime | None) -> Moment | None:
    """What ``components/time.html`` is made of."""
    if not time:
        return None
    local = timezone.localtime(time)
    return Moment(local.isoformat(), f"{local:%Y-%m-%d %H:%M:%S %Z}", relative(time))


def relative(time: datetime | None) -> str:
    """``3 hours ago``; only the largest unit, which is what one wants to know in a list."""
    if time is None:
        return ""
    if abs((timezone.now() - time).total_seconds()) < 60:
        return str(_("just now"))
    if time > timezone.now():
        return str(_("in %s") % timesince(timezone.now(), time, depth=1))
    return str(_("%s ago") % timesince(time, depth=1))


@register.filter
def time_left(job: Any) -> str:
    """How much longer a running job takes if it goes on as it has; empty where that says nothing.

    ``job`` is a :class:`workers.models.Job`.
    """
    done, total = job.progress_done, job.progress_total
    if job.status != "running" or job.started_at is None or not 0 < done < total:
        return ""
    passed = (timezone.now() - job.started_at).total_seconds()
    seconds = passed * (total - done) / done
    if seconds < 90:
        return str(_("about %d s left") % max(1, round(seconds)))
    return str(_("about %d min left") % round(seconds / 60))


@register.filter
def took(job: Any) -> str:
    """How long a job ran, from first attempt to end: ``48 s``, ``3 min 5 s``, ``2 h 4 min``.

    Empty for a job that has not begun or not ended.
    """
    if job.started_at is None or job.finished_at is None:
        return ""
    seconds = round((job.finished_at - job.started_at).total_seconds())
    minutes, hours = seconds // 60, seconds // 3600
    if hours:
        return str(_("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes % 60})
    if minutes:
        return str(_("%(minutes)d min %(s)d s") % {"minutes": minutes, "s": seconds % 60})
    return str(_("%d s") % seconds)


@register.simple_tag(takes_context=True)
def release_url(
    context: template.Context, name: str, release: Release, item: str = "", **query: Any
) -> str:
    """The address of a release's page; it stays within the change request that is being edited.

    ``item`` is a machine type's or a device's name. The change request comes from the scope in
    the context and is only kept for its own release.
    """
    scope = context.get("scope")
    change = getattr(scope, "change", None)
    if change is not None and change.release_id == release.pk:
        query.setdefault("change", change.pk)
    return release_address(name, release, item, **query)


@register.simple_tag(takes_context=True)
def editing_change(context: template.Context) -> Any:
    """The change request that edits on this page go into: the view's, else the scope's."""
    return context.get("editing") or getattr(context.get("scope"), "change", None)


@register.filter
def control(field: BoundField) -> SafeString:
    """The field's widget with the framework's classes, and marked where it has an error."""
    widget = field.field.widget
    base = "form-control"
    if isinstance(widget, forms.CheckboxInput):
        base = "form-check-input"
    elif isinstance(widget, forms.Select):
        base = "form-select"
        if type(widget) is forms.Select:
            # Django's own renders two templates for each of its options, which may be hundreds.
            widget.template_name = "partials/select.html"
    own = widget.attrs.get("class", "")
    classes = f"{own} {base}{' is-invalid' if field.errors else ''}".strip()
    return field.as_widget(attrs={"class": classes})


@register.simple_tag
def property_value(value: str, default: str | None = None, lost: Any = None) -> SafeString:
    """A property's value and the default where it differs; ``lost``: another entry wins over it.

    No template of its own: a machine type's list has hundreds.
    """
    weight = "loses" if lost else "strong"
    text = escape(value) if value != "" else '<span class="muted">“”</span>'
    shown = f'<span class="value {weight}">{text}</span>'
    if default and default != value:
        shown += (
            f' <span class="muted small">{escape(_("default"))} '
            f'<span class="value">{escape(default)}</span></span>'
        )
    return mark_safe(shown)  # noqa: S308 - every part is escaped


@register.filter
def of(values: Mapping[Any, Any], key: Any) -> Any:
    """The value of a mapping, where a template has the key in a variable."""
    return values.get(key)


@register.filter
def breakable(name: str) -> SafeString:
    """A long name that may be broken after its parts, and nowhere else.

    >>> breakable("foo/late_ack")
    'foo/<wbr>late_<wbr>ack'
    """
    return mark_safe(_JOINTS.sub(r"\1<wbr>", escape(name)))  # noqa: S308 - it is escaped


#: About how many letters a line of a long text has, on a wide page and on a narrow one.
_LINE, _NARROW_LINE = 94, 46
#: From how many lines on it is folded; eight are shown then, so that unfolding shows more than one.
_LONG = 11


@register.filter
def folded(text: str) -> str:
    """Where a text is too long to be shown whole: ``everywhere``, ``narrow`` (pages), or nowhere.

    >>> folded("word " * 20), folded("word " * 120), folded("word " * 300)
    ('', 'narrow', 'everywhere')
    """
    if _lines(text, _LINE) >= _LONG:
        return "everywhere"
    return "narrow" if _lines(text, _NARROW_LINE) >= _LONG else ""


def _lines(text: str, width: int) -> int:
    # Lines that are empty only part paragraphs.
    return sum(-(-len(line) // width) for line in text.splitlines())


@register.filter
def is_web_address(text: str) -> bool:
    """Whether what somebody wrote may be linked: a link may hold a program as well."""
    return text.lower().startswith(("https://", "http://"))


@register.filter
def is_checkbox(field: BoundField) -> bool:
    return isinstance(field.field.widget, forms.CheckboxInput)


@register.filter
def is_radio(field: BoundField) -> bool:
    return isinstance(field.field.widget, forms.RadioSelect)


@register.filter
def short(digest: str) -> str:
    """The first digits of a SHA-256, or of a commit that is named by its hash.

    >>> short("4643913a5c1f9e0d7b66"), short("scsi: save state")
    ('4643913a5c1f', 'scsi: save state')
    """
    return digest[:12] if _HEX.fullmatch(digest) else digest


_KINDS = {
    "types": _("device types"),
    "types_with_properties": _("with properties"),
    "properties": _("properties"),
    "sections": _("sections"),
    "machine_types": _("machine types"),
    "compat": _("compat entries"),
    "arrays": _("arrays"),
    "array_entries": _("array entries"),
    "unreadable": _("unreadable drivers"),
}


@register.filter
def words(kind: str) -> str:
    """A kind of the catalogue's content, in words."""
    return str(_KINDS.get(kind, kind.replace("_", " ")))
