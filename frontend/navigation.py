"""The sidebar: where one may go from every page, and how much there is.

The first group is the house's plan, in the order in which work goes through it; the second holds
the tools that ask questions across it. A new page family gets its line in one of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Count, Func, IntegerField, Model, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from frontend.addresses import release_address
from machines.models import DeviceType, MachineType, Release
from policy import state
from policy.models import Bundle, ChangeRequest, Feature, Trial

#: The session's key of the release whose pages were seen last; the sidebar leads back to it.
LAST_RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Place:
    """A page family: its first page's name, the keys that lead there, and its further pages."""

    name: str
    label: str | Promise
    keys: str
    family: frozenset[str] = frozenset()


MAIN = (
    Place("home", _("Overview"), "g o"),
    Place(
        "releases",
        _("Releases"),
        "g r",
        frozenset({"release", "release-new", "revisions", "tree"}),
    ),
    Place("machine-types", _("Machine types"), "g m", frozenset({"machine-type"})),
    Place("devices", _("Devices"), "g d", frozenset({"device"})),
    Place("features", _("Features"), "g f", frozenset({"feature", "proposals", "backport-target"})),
    Place(
        "changes",
        _("Changes"),
        "g c",
        frozenset({"change", "change-new", "change-rebase", "backport-new", "policy-import"}),
    ),
    Place("trials", _("Trials"), "g t", frozenset({"trial", "trial-stream"})),
    Place(
        "bundles",
        _("Bundles"),
        "g b",
        frozenset({"bundle", "release-bundles", "bundles-compare"}),
    ),
    Place("audit", _("Audit"), "g a"),
)
TOOLS = (
    Place("matrix", _("Migration matrix"), "g x"),
    Place("comparison", _("Compare"), "g v"),
    Place("explain", _("Explain"), "g e"),
    Place("streams", _("Streams"), "g s", frozenset({"stream"})),
    Place("imports", _("Imports"), "g i", frozenset({"import-new"})),
    Place("jobs", _("Jobs"), "g j", frozenset({"job"})),
)
#: Their addresses name a release: the one that was seen last.
_OF_A_RELEASE = frozenset({"machine-types", "devices"})


@dataclass(frozen=True, slots=True)
class NavigationItem:
    label: str | Promise
    keys: str
    href: str
    current: bool
    count: int | None = None


def release_seen(request: HttpRequest) -> Release | None:
    """The release whose machine types and devices the sidebar shows: the one seen last."""
    seen = getattr(request, "lockstep_release", None)
    if seen is not None:
        return seen  # type: ignore[no-any-return]
    last = request.session.get(LAST_RELEASE)
    known = state.releases()
    return next((item for item in reversed(known) if last in (None, item.pk)), None)


def items(
    request: HttpRequest,
    places: Sequence[Place],
    release: Release | None,
    counts: dict[str, int],
) -> list[NavigationItem]:
    """The places as links; without a release those that need one are left out."""
    here = request.resolver_match.url_name if request.resolver_match else ""
    return [
        NavigationItem(
            place.label,
            place.keys,
            _address(request, place, release),
            here == place.name or here in place.family,
            counts.get(place.name),
        )
        for place in places
        if release or place.name not in _OF_A_RELEASE
    ]


def _address(request: HttpRequest, place: Place, release: Release | None) -> str:
    if release is None or place.name not in _OF_A_RELEASE:
        return reverse(place.name)
    change = getattr(request, "lockstep_change", None)
    return release_address(place.name, release, change=change.pk if change else "")


def counts_of(request: HttpRequest, release: Release | None) -> dict[str, int]:
    """The numbers beside the sidebar's items, in one query."""
    closed = (ChangeRequest.Status.PUBLISHED, ChangeRequest.Status.WITHDRAWN)
    # A downstream that tells no devices itself shows its base's, or those of its stand-in.
    serving = [release.pk, release.base_id, release.stand_in_id] if release else []
    counted: dict[str, Any] = {
        "releases": _all(Release),
        "features": _all(Feature),
        "changes": _count(ChangeRequest.objects.exclude(status__in=closed)),
        "trials": _all(Trial),
        "bundles": _all(Bundle),
    }
    for number, serves in enumerate(filter(None, serving)):
        current = {"snapshot__is_current": True, "snapshot__release": serves}
        with_state = DeviceType.objects.filter(section_count__gt=0, **current)
        counted[f"devices_{number}"] = _count(with_state)
        if number == 0:
            counted["own_machine_types"] = _count(MachineType.objects.filter(**current))
    user: QuerySet[Any] = get_user_model().objects.filter(pk=request.user.pk or 0)
    row = user.values(**{f"n_{name}": number for name, number in counted.items()}).get()
    counts: dict[str, int] = {name.removeprefix("n_"): n for name, n in row.items()}
    devices = [counts.pop(name) for name in list(counts) if name.startswith("devices_")]
    if told := next((number for number in devices if number), 0):
        counts["devices"] = told
    if own := counts.pop("own_machine_types", 0):
        counts["machine-types"] = own
    return counts


def _all(model: type[Model]) -> Func:
    """How many rows a table has, without the making of a query for it."""
    table = connection.ops.quote_name(model._meta.db_table)
    return Func(
        template="(SELECT COUNT(*) FROM %(table)s)", table=table, output_field=IntegerField()
    )


def _count(rows: QuerySet[Any]) -> Any:
    grouped = rows.order_by().values(group=Value(1)).annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(grouped, output_field=IntegerField()), 0)
