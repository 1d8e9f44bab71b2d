"""The releases of all trees, with what each has."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from frontend.filters import ReleaseFilter
from frontend.lists.answers import answer
from frontend.lists.kinds import Column, Kind
from frontend.lists.listing import Asked, Listing
from frontend.shown.overview import releases_of
from policy.permissions import may, trees_where


def _changes(row: Any) -> list[str]:
    return [f"#{change.pk}" for change in row.open_changes]


KIND = Kind(
    name="releases",
    title=_("Releases"),
    columns=(
        Column("release", _("Release"), lambda row: row.label, ("tree__name", "sort_key"), 9,
               "mono"),
        Column("base", _("Base"), lambda row: row.base.label if row.base else "",
               ("base__tree__name", "base__sort_key"), 8),
        Column("catalogue", _("Catalogue"), lambda row: row.snapshot_number, ("snapshot_at",), 13),
        Column("published", _("Published"),
               lambda row: f"r{row.revision_number}" if row.revision_number else "",
               ("revision_at",), 10),
        Column("changes", _("Open changes"), _changes, (), 16),
        Column("qemu", "QEMU", lambda row: row.qemu_version, ("qemu_version",), 8,
               shown="chosen"),
        Column("stand_in", _("Stand-in"), lambda row: row.stand_in.label if row.stand_in else "",
               (), 8, shown="chosen"),
    ),
    filters=ReleaseFilter,
    counted=lambda n: ngettext("%(n)d release", "%(n)d releases", n) % {"n": n},
    called=lambda row: row.label,
    search=_("Search releases"),
    api="api-releases",
    empty=_("A release’s catalogue comes from an import of QEMU’s own output."),
    start=("import-new", _("Import a release")),
)  # fmt: skip


def listing(asked: Asked) -> Listing:
    """The releases of the trees that the person sees, in order."""
    return Listing(KIND, asked, releases_of(trees_where(asked.request.user, "view")))


@login_required
@require_safe
def releases(request: HttpRequest) -> HttpResponseBase:
    """Context: listing, may_create."""
    context = {"may_create": may(request.user, "import", None)}
    return answer(request, listing(Asked.by(request)), "pages/releases.html", context)
