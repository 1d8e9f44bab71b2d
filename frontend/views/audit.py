"""The audit log: who did what, when, to which object, and what it changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from frontend.filters import AuditFilter
from frontend.lists import chips, page_of
from policy.models import AuditEntry
from policy.permissions import require

MAX_LINES = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One value that an entry changed; None where it was not there."""

    path: str
    before: str | None
    after: str | None


def difference(before: Any, after: Any) -> list[Line]:
    """What changed between two JSON values, a line for each leaf that differs."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return [
        Line(path, old.get(path), new.get(path))
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    ]


def _leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [
            leaf
            for key, item in value.items()
            for leaf in _leaves(item, f"{path}.{key}" if path else str(key))
        ]
    if isinstance(value, list) and value:
        return [
            leaf for number, item in enumerate(value) for leaf in _leaves(item, f"{path}[{number}]")
        ]
    if value is None:
        return []
    return [(path, value if isinstance(value, str) else repr(value))]


@login_required
def audit(request: HttpRequest) -> HttpResponse:
    """The log, the newest first."""
    require(request.user, "view", None)
    rows = AuditFilter(request.GET, queryset=AuditEntry.objects.all(), request=request)
    page = page_of(request, rows.qs)
    for entry in page.object_list:
        after = entry.after
        # An edit of a draft is recorded in words: they say all that its values would.
        if isinstance(after, dict) and isinstance(after.get("changes"), list):
            entry.words = [item for item in after["changes"] if "label" in item]
            after = {key: value for key, value in after.items() if key != "changes"}
        lines = difference(entry.before, after)
        entry.lines, entry.line_count = lines[:MAX_LINES], len(lines)
        entry.lines_left_out = len(lines[MAX_LINES:])
    labels = {
        "actor": _("person"),
        "action": _("action"),
        "object_type": _("kind"),
        "object_id": _("number"),
        "q": _("object"),
    }
    context = {"page": page, "filter": rows, "chips": chips(request, labels)}
    return render(request, "pages/audit.html", context)
