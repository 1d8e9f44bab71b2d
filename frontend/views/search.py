"""Search by name: releases, machine types, devices, features, change requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from frontend.addresses import release_address
from machines.models import DeviceType, MachineType, Release
from policy.models import ChangeRequest, Feature
from policy.permissions import trees_where

SHOWN = 12
MAX_WORDS = 6


@dataclass(frozen=True, slots=True)
class Hit:
    label: str
    href: str
    where: str = ""


@login_required
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Context: q, found ([(kind, [Hit])], at most SHOWN of each kind, the shortest names first)."""
    user: Any = request.user
    words = request.GET.get("q", "").split()[:MAX_WORDS]
    trees = trees_where(user, "view")
    found = _found(words, trees) if words else []
    context = {"q": request.GET.get("q", ""), "found": [kind for kind in found if kind[1]]}
    return render(request, "pages/search.html", context)


def _found(words: list[str], trees: frozenset[int]) -> list[tuple[str | Promise, list[Hit]]]:
    releases = Release.objects.filter(tree__in=trees).select_related("tree")
    current = Q(snapshot__is_current=True, snapshot__release__tree__in=trees)
    machine_types = MachineType.objects.filter(current).select_related("snapshot__release__tree")
    devices = DeviceType.objects.filter(current).select_related("snapshot__release__tree")
    changes = ChangeRequest.objects.filter(release__tree__in=trees).select_related("release__tree")
    features = Feature.objects.filter(introduced__tree__in=trees)
    return [
        (
            _("Releases"),
            [
                Hit(item.label, release_address("release", item))
                for item in _named(releases, words, "version", "tree__name")
            ],
        ),
        (_("Machine types"), _of_snapshots("machine-type", machine_types, words)),
        (_("Devices"), _of_snapshots("device", devices, words)),
        (
            _("Features"),
            [
                Hit(item.title, reverse("feature", args=[item.slug]), item.device)
                for item in _named(features, words, "title", "slug", "device")
            ],
        ),
        (
            _("Change requests"),
            [
                Hit(
                    f"#{item.pk} {item.title}",
                    reverse("change", args=[item.pk]),
                    item.release.label,
                )
                for item in _named(changes.defer("content"), words, "title", "description")
            ],
        ),
    ]


def _of_snapshots(name: str, rows: QuerySet[Any], words: list[str]) -> list[Hit]:
    return [
        Hit(
            item.name,
            release_address(name, item.snapshot.release, item.name),
            item.snapshot.release.label,
        )
        for item in _named(rows.defer("snapshot__content"), words, "name")
    ]


def _named(rows: QuerySet[Any], words: list[str], *fields: str) -> list[Any]:
    """The rows that hold every word in some of the fields; the closest first."""
    for word in words:
        matches = Q()
        for field in fields:
            matches |= Q(**{f"{field}__icontains": word})
        rows = rows.filter(matches)
    return list(rows.order_by(Length(fields[0]), "-pk")[:SHOWN])
