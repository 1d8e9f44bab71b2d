"""Change requests; those that are open, unless the address asks for others."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from frontend.access import visible_trees
from frontend.filters import ChangeFilter
from frontend.lists.answers import answer
from frontend.lists.kinds import Action, Column, Kind
from frontend.lists.listing import Asked, Listing
from frontend.shown import review
from policy.models import ChangeRequest
from policy.permissions import trees_where


def _base(row: ChangeRequest) -> str:
    if row.revision is not None:
        return f"→ r{row.revision.number}"
    return f"r{row.base_revision.number}" if row.base_revision is not None else ""


KIND = Kind(
    name="changes",
    title=_("Changes"),
    columns=(
        Column("title", _("Change"), lambda row: f"#{row.pk} {row.title}", ("pk",), 16),
        Column("release", _("Release"), lambda row: row.release.label,
               ("release__tree__name", "release__sort_key"), 7),
        Column("status", _("Status"), lambda row: row.status, ("status",), 9),
        Column("turn", _("Turn"), lambda row: row.whose, (), 8),
        Column("author", _("Author"), lambda row: row.author.username, ("author__username",), 8),
        Column("base", _("Base"), _base, (), 5),
        Column("updated", _("Updated"), lambda row: row.updated_at, ("updated_at",), 8),
        Column("created", _("Opened"), lambda row: row.created_at, ("created_at",), 8,
               shown="chosen"),
        Column("since", _("In its status since"), lambda row: row.status_since,
               ("status_since",), 9, shown="chosen"),
    ),
    filters=ChangeFilter,
    counted=lambda n: ngettext("%(n)d change", "%(n)d changes", n) % {"n": n},
    called=lambda row: f"#{row.pk} {row.title}",
    search=_("Words of a change, or a release"),
    preset="status=open",
    api="api-changes",
    empty=_("Every edit of a policy happens in a change request, which a colleague reviews."),
    start=("change-new", _("New change")),
)  # fmt: skip
SUBMIT = Action("submit", _("Ask for review"))
WITHDRAW = Action("withdraw", _("Withdraw"))


def listing(asked: Asked) -> Listing:
    """The change requests of the trees that the person sees."""
    rows = (
        ChangeRequest.objects.filter(release__tree__in=visible_trees(asked.request.user))
        .select_related("release__tree", "author", "revision", "base_revision")
        .defer("content", "revision__content", "base_revision__content")
    )
    may_edit = trees_where(asked.request.user, "edit")
    return Listing(KIND, asked, rows, (SUBMIT, WITHDRAW) if may_edit else (), _with_turns)


def _with_turns(rows: list[Any]) -> None:
    whose = review.whose_of(rows)
    for row in rows:
        row.whose = whose.get(row.pk, "")


@login_required
@require_safe
def changes(request: HttpRequest) -> HttpResponseBase:
    """The list; what waits for the person stands above it. Context: listing, may_open."""
    may_open = bool(trees_where(request.user, "edit"))
    context = {"may_open": may_open}
    return answer(request, listing(Asked.by(request)), "pages/changes.html", context)
