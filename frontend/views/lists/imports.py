"""What was imported: every snapshot, the newest first."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from frontend.access import visible_trees
from frontend.filters import SnapshotFilter
from frontend.lists.answers import answer
from frontend.lists.kinds import Column, Kind
from frontend.lists.listing import Asked, Listing
from machines.models import Snapshot
from policy.permissions import trees_where
from workers.models import Job

RECENT_JOBS = 5


def _changed(row: Snapshot) -> list[str]:
    changes = row.report.get("changes", {})
    return [
        f"{kind} +{item['added']['count']} -{item['removed']['count']} ~{item['changed']['count']}"
        for kind, item in changes.items()
    ]


KIND = Kind(
    name="imports",
    title=_("Imports"),
    columns=(
        Column("release", _("Release"), lambda row: row.release.label,
               ("release__tree__name", "release__sort_key"), 8),
        Column("snapshot", _("Snapshot"), lambda row: row.number, ("number",), 9),
        Column("qemu", "QEMU", lambda row: row.qemu_version, ("qemu_version",), 10),
        Column("changed", _("Changed"), _changed, (), 13),
        Column("imported", _("Imported"), lambda row: row.imported_at, ("imported_at",), 8),
        Column("by", _("Imported by"), lambda row: str(row.imported_by or ""),
               ("imported_by__username",), 9),
        Column("digest", "SHA-256", lambda row: row.digest, (), 9, "mono", shown="chosen"),
        Column("source", _("Source"), lambda row: row.source, ("source",), 14, shown="chosen"),
    ),
    filters=SnapshotFilter,
    counted=lambda n: ngettext("%(n)d snapshot", "%(n)d snapshots", n) % {"n": n},
    search=_("Release, version or package"),
    empty=_("Upload what QEMU prints of itself: -dump-vmstate, query-machines, qom-list-types, "
            "device-list-properties."),
    start=("import-new", _("Import a release")),
)  # fmt: skip


def listing(asked: Asked) -> Listing:
    """The snapshots of the releases that the person sees."""
    rows = (
        Snapshot.objects.filter(release__tree__in=visible_trees(asked.request.user))
        .select_related("release__tree", "imported_by")
        .defer("content")
        .order_by("-imported_at", "-pk")
    )
    return Listing(KIND, asked, rows)


@login_required
@require_safe
def imports(request: HttpRequest) -> HttpResponseBase:
    """Context: listing, jobs (recent import jobs), may_import."""
    recent = Job.objects.filter(kind=Job.Kind.IMPORT).select_related("created_by").defer("result")
    context = {
        "jobs": recent[:RECENT_JOBS] if trees_where(request.user, "view") else [],
        "may_import": bool(trees_where(request.user, "import")),
    }
    return answer(request, listing(Asked.by(request)), "pages/imports.html", context)
