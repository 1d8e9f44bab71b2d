"""Trial migrations, the newest first."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from frontend.access import visible_trees
from frontend.filters import TrialFilter
from frontend.lists.answers import answer
from frontend.lists.kinds import Action, Column, Kind
from frontend.lists.listing import Asked, Listing
from policy.models import Trial
from policy.permissions import trees_where

_END = "{0}__tree__name", "{0}__sort_key"
KIND = Kind(
    name="trials",
    title=_("Trials"),
    columns=(
        Column("number", _("Trial"), lambda row: row.pk, ("pk",), 5),
        Column(
            "migration",
            _("Migration"),
            lambda row: f"{row.source.label} → {row.destination.label}",
            tuple(part.format(end) for end in ("source", "destination") for part in _END),
            15,
        ),
        Column("machine_type", _("Machine type"), lambda row: row.machine_type,
               ("machine_type",), 13, "mono"),
        Column("outcome", _("Outcome"), lambda row: row.outcome or row.state,
               ("state", "outcome"), 10),
        Column("finished", _("Finished"), lambda row: row.finished_at, ("finished_at",), 9),
        Column("created", _("Asked for"), lambda row: row.created_at, ("created_at",), 9,
               shown="chosen"),
        Column("error", _("Why it could not run"), lambda row: row.error, (), 16, shown="chosen"),
        Column("key", _("Inputs"), lambda row: row.key, ("key",), 9, "mono", shown="chosen"),
    ),
    filters=TrialFilter,
    counted=lambda n: ngettext("%(n)d trial", "%(n)d trials", n) % {"n": n},
    called=lambda row: f"#{row.pk}",
    search=_("Machine type or release"),
    api="api-trials",
    empty=_("Trials are run for the migrations that a change request declares."),
    start=("changes", _("To the change requests")),
)  # fmt: skip
RUN_AGAIN = Action("run-again", _("Run again"))


def listing(asked: Asked) -> Listing:
    """Both ends of a trial are in trees that the person sees."""
    trees = visible_trees(asked.request.user)
    rows = (
        Trial.objects.filter(source__tree__in=trees, destination__tree__in=trees)
        .select_related("source__tree", "destination__tree")
        .defer("inputs", "result")
    )
    has_part = any(trees_where(asked.request.user, role) for role in ("edit", "review", "publish"))
    return Listing(KIND, asked, rows, (RUN_AGAIN,) if has_part else ())


@login_required
@require_safe
def trials(request: HttpRequest) -> HttpResponseBase:
    """Every trial that the person may see."""
    return answer(request, listing(Asked.by(request)), "pages/trials.html")
