"""What every template knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Count, IntegerField, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from frontend import __version__
from frontend.addresses import release_address
from machines.models import DeviceType, MachineType, Release
from policy.models import Bundle, ChangeRequest, Feature, Trial
from policy.permissions import may
from policy.turns import your_turns

#: The session's key of the release whose pages were seen last; the sidebar leads back to it.
LAST_RELEASE = "release"


@dataclass(frozen=True, slots=True)
class NavigationItem:
    label: str | Promise
    href: str
    current: bool
    count: int | None = None


#: Which item of the sidebar a page belongs to, by the name of its address.
_FAMILIES = {
    "home": {"home"},
    "releases": {"releases", "release", "release-new"},
    "machine-types": {"machine-types", "machine-type"},
    "devices": {"devices", "device"},
    "features": {"features", "feature"},
    "changes": {"changes", "change", "change-new", "backport-new"},
    "comparison": {"comparison"},
    "explain": {"explain"},
    "trials": {"trials", "trial", "matrix"},
    "bundles": {"bundles", "bundle", "release-bundles", "bundles-compare"},
    "imports": {"imports", "import-new", "job"},
    "audit": {"audit"},
}


def site(request: HttpRequest) -> dict[str, object]:
    """``redis_kind``: the footer says when the embedded Redis serves, which is for trying out.

    ``navigation``, ``navigation_release`` and ``waiting`` are computed when a template asks.
    """
    known: dict[str, object] = {"redis_kind": settings.LOCKSTEP_REDIS_KIND, "version": __version__}
    if getattr(request, "user", None) is None or not request.user.is_authenticated:
        return known
    user: Any = request.user
    # Whoever has no role in any tree sees no release, nor how many there are.
    sees = SimpleLazyObject(lambda: may(user, "view", None))
    release = SimpleLazyObject(lambda: _release(request) if sees else None)
    return known | {
        "navigation_release": release,
        "navigation": SimpleLazyObject(lambda: _navigation(request, release, sees)),
        "waiting": SimpleLazyObject(lambda: your_turns(user)),
    }


def _release(request: HttpRequest) -> Release | None:
    """The release whose machine types and devices the sidebar shows: the one seen last."""
    seen = getattr(request, "lockstep_release", None)
    if seen is not None:
        return seen  # type: ignore[no-any-return]
    releases = Release.objects.select_related("tree", "base__tree")
    last = request.session.get(LAST_RELEASE)
    return releases.filter(pk=last).first() if last else releases.last()


def _navigation(request: HttpRequest, release: Any, sees: Any) -> list[NavigationItem]:
    counts = _counts(request, release or None) if sees else {}
    here = request.resolver_match.url_name if request.resolver_match else ""
    items: list[tuple[str, str | Promise]] = [
        ("home", _("Overview")),
        ("releases", _("Releases")),
        ("machine-types", _("Machine types")),
        ("devices", _("Devices")),
        ("features", _("Features")),
        ("changes", _("Changes")),
        ("comparison", _("Compare")),
        ("explain", _("Explain")),
        ("trials", _("Trials")),
        ("bundles", _("Bundles")),
        ("imports", _("Imports")),
        ("audit", _("Audit")),
    ]
    found = []
    for name, label in items:
        if name in {"machine-types", "devices"}:
            if not release:
                continue
            change = getattr(request, "lockstep_change", None)
            href = release_address(name, release, change=change.pk if change else "")
        else:
            href = reverse(name)
        found.append(NavigationItem(label, href, here in _FAMILIES[name], counts.get(name)))
    return found


def _counts(request: HttpRequest, release: Release | None) -> dict[str, int]:
    """The numbers beside the sidebar's items, in one query."""
    closed = (ChangeRequest.Status.PUBLISHED, ChangeRequest.Status.WITHDRAWN)
    # A downstream that tells no devices itself shows its base's, or those of its stand-in.
    serving = [release.pk, release.base_id, release.stand_in_id] if release else []
    counted: dict[str, QuerySet[Any]] = {
        "releases": Release.objects.all(),
        "features": Feature.objects.all(),
        "changes": ChangeRequest.objects.exclude(status__in=closed),
        "trials": Trial.objects.all(),
        "bundles": Bundle.objects.all(),
    }
    for number, serves in enumerate(serving):
        current = {"snapshot__is_current": True, "snapshot__release": serves}
        counted[f"devices_{number}"] = DeviceType.objects.filter(section_count__gt=0, **current)
        if number == 0:
            counted["own_machine_types"] = MachineType.objects.filter(**current)
    user: QuerySet[Any] = get_user_model().objects.filter(pk=request.user.pk or 0)
    row = user.values(**{f"n_{name}": _count(rows) for name, rows in counted.items()}).get()
    counts: dict[str, int] = {name.removeprefix("n_"): n for name, n in row.items()}
    devices = [counts.pop(f"devices_{number}") for number in range(len(serving))]
    if told := next((number for number in devices if number), 0):
        counts["devices"] = told
    if own := counts.pop("own_machine_types", 0):
        counts["machine-types"] = own
    return counts


def _count(rows: QuerySet[Any]) -> Any:
    grouped = rows.order_by().values(group=Value(1)).annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(grouped, output_field=IntegerField()), 0)
