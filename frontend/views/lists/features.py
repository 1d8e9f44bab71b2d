"""The library of features, by device."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from frontend.filters import FeatureFilter
from frontend.lists.answers import answer
from frontend.lists.kinds import Column, Kind
from frontend.lists.listing import Asked, Listing
from policy.models import Feature
from policy.permissions import require


def _gate(row: Feature) -> str:
    gate: Any = row.gate
    return f"{gate['driver']}.{gate['property']}={gate['on']}" if gate else ""


def _carriers(row: Feature) -> list[str]:
    return [item["section"] for item in row.carriers]


KIND = Kind(
    name="features",
    title=_("Features"),
    columns=(
        Column("title", _("Feature"), lambda row: row.title, ("title",), 16),
        Column("device", _("Device type"), lambda row: row.device, ("device",), 10, "mono"),
        Column("carriers", _("Carried by"), _carriers, (), 14),
        Column("gate", _("Gate"), _gate, (), 12),
        Column("introduced", _("Introduced in"), lambda row: row.introduced.label,
               ("introduced__tree__name", "introduced__sort_key"), 9),
        Column("slug", _("Identifier"), lambda row: row.slug, ("slug",), 14, "mono",
               shown="chosen"),
        Column("recorded_by", _("Recorded by"), lambda row: row.created_by.username,
               ("created_by__username",), 9, shown="chosen"),
        Column("recorded", _("Recorded"), lambda row: row.created_at, ("created_at",), 9,
               shown="chosen"),
    ),
    filters=FeatureFilter,
    counted=lambda n: ngettext("%(n)d feature", "%(n)d features", n) % {"n": n},
    called=lambda row: row.title,
    search=_("Feature or device"),
    api="api-features",
    empty=_("Open a change request and backport a feature: a comparison of two catalogues proposes "
            "them."),
    start=("changes", _("To the change requests")),
)  # fmt: skip


def listing(asked: Asked) -> Listing:
    """Raises Forbidden for somebody without a role."""
    require(asked.request.user, "view", None)
    return Listing(KIND, asked, Feature.objects.select_related("introduced__tree", "created_by"))


@login_required
@require_safe
def features(request: HttpRequest) -> HttpResponseBase:
    """Context: listing."""
    return answer(request, listing(Asked.by(request)), "pages/features.html")
