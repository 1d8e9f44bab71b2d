"""The audit log: who did what, when, to which object, and what it changed."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from frontend.filters import AuditFilter
from frontend.lists.answers import answer
from frontend.lists.kinds import Column, Kind
from frontend.lists.listing import Asked, Listing
from frontend.shown import auditing
from policy.models import AuditEntry
from policy.permissions import require


def _difference(row: AuditEntry) -> list[str]:
    told = auditing.told(row)
    words = [f"{item['label']}: {item.get('before', '')} → {item.get('after', '')}"
             for item in told.words]  # fmt: skip
    return words + [f"{line.path}: {line.before or ''} → {line.after or ''}" for line in told.lines]


KIND = Kind(
    name="audit",
    title=_("Audit"),
    columns=(
        Column("when", _("When"), lambda row: row.at, ("pk",), 7),
        Column("person", _("Person"), lambda row: row.actor, ("actor",), 7),
        Column("action", _("Action"), lambda row: row.action, ("action",), 8),
        Column("object", _("Object"), lambda row: row.object_label,
               ("object_type", "object_label"), 12),
        Column("difference", _("Difference"), _difference, (), 22),
        Column("kind", _("Kind of object"), lambda row: row.object_type, ("object_type",), 9,
               "mono", shown="chosen"),
        Column("hash", _("Hash"), lambda row: row.hash, (), 9, "mono", shown="chosen"),
    ),
    filters=AuditFilter,
    counted=lambda n: ngettext("%(n)d entry", "%(n)d entries", n) % {"n": n},
    search=_("Object: rhel 9.2, #12, vectors…"),
    api="api-audit",
    empty=_("Whatever somebody does is written down here."),
)  # fmt: skip


def listing(asked: Asked) -> Listing:
    """The log, the newest first. Raises Forbidden for somebody without a role."""
    require(asked.request.user, "view", None)
    return Listing(KIND, asked, AuditEntry.objects.all(), prepare=_with_differences)


def _with_differences(rows: list[Any]) -> None:
    for row in rows:
        row.told = auditing.told(row)


@login_required
@require_safe
def audit(request: HttpRequest) -> HttpResponseBase:
    """Context: listing; each row has ``told``, its difference."""
    return answer(request, listing(Asked.by(request)), "pages/audit.html")
