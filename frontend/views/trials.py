"""Trial migrations: the list, one trial, and the search for mitigations of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from frontend.access import person_of, visible_change, visible_trees
from frontend.filters import TrialFilter
from frontend.lists import chips, page_of
from frontend.mitigations import Remedy, editable
from frontend.numbers import number_of
from frontend.overview import CLOSED, open_changes
from frontend.swaps import respond
from machines.emulator.catalogue import CompatProperty
from policy.models import ChangeRequest, Trial
from policy.permissions import may, require
from workers import jobs
from workers.models import Job

MAX_ROWS = 200


@login_required
@require_safe
def trials(request: HttpRequest) -> HttpResponse:
    """Every trial, the newest first."""
    trees = visible_trees(request.user)
    rows = TrialFilter(
        request.GET,
        queryset=Trial.objects.filter(source__tree__in=trees, destination__tree__in=trees)
        .select_related("source__tree", "destination__tree")
        .defer("inputs", "result"),
        request=request,
    )
    labels = {
        "outcome": _("outcome"),
        "state": _("state"),
        "release": _("release"),
        "machine_type": _("machine type"),
    }
    shown = chips(request, labels)
    context = {"page": page_of(request, rows.qs), "filter": rows, "chips": shown}
    return respond(request, "pages/trials.html", "partials/trials.html", context)


# --- One trial ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InForce:
    """A property that is set on a side of the trial; None where that side does not set it."""

    driver: str
    property: str
    source: str | None
    destination: str | None
    layer: str


@login_required
@require_safe
def trial(request: HttpRequest, pk: int) -> HttpResponse:
    """What was migrated where, the outcome, and everything that it depended on."""
    found = visible_trial(request.user, pk)
    result = found.result or {}
    properties = in_force(found.inputs)
    differing = [item for item in properties if item.source != item.destination]
    whole = request.GET.get("properties") == "all"
    context = {
        "trial": found,
        "result": result,
        "lost": result.get("lost", [])[:MAX_ROWS],
        "lost_more": max(0, len(result.get("lost", [])) - MAX_ROWS),
        "ends": [
            (_("Source"), found.source, found.inputs["source"]),
            (_("Destination"), found.destination, found.inputs["destination"]),
        ],
        "property_count": len(properties),
        "differing_count": len(differing),
        "properties": properties if whole else differing[:MAX_ROWS],
        "whole": whole,
        "asking": _open_changes(found),
        "pair_query": urlencode(
            {
                "source": found.source.label,
                "destination": found.destination.label,
                "machine_type": found.machine_type,
            }
        ),
        **_remedies(request, found),
    }
    return render(request, "pages/trial.html", context)


def visible_trial(user: Any, pk: int) -> Trial:
    """The trial, or 404 where there is none that the person may see."""
    trees = visible_trees(user)
    rows = Trial.objects.select_related("source__tree", "destination__tree")
    found = rows.filter(pk=pk, source__tree__in=trees, destination__tree__in=trees).first()
    if found is None:
        raise Http404
    return found


def in_force(inputs: dict[str, Any]) -> list[InForce]:
    """The properties that either side sets, by driver; of several entries the last one wins."""
    sides = [
        {(driver, name): (value, layer) for driver, name, value, layer in inputs[end]["globals"]}
        for end in ("source", "destination")
    ]
    nothing = (None, "")
    return [
        InForce(
            *key,
            sides[0].get(key, nothing)[0],
            sides[1].get(key, nothing)[0],
            sides[1].get(key, sides[0].get(key, nothing))[1],
        )
        for key in sorted({*sides[0], *sides[1]})
    ]


def _open_changes(found: Trial) -> Any:
    """Open change requests of either release: an edit there asks for this pair again."""
    return (
        ChangeRequest.objects.filter(release__in=[found.source_id, found.destination_id])
        .exclude(status__in=CLOSED)
        .select_related("release__tree")
        .defer("content")[:5]
    )


# --- Mitigations ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offered:
    """A mitigation that made the trial pass, and the outcome with it."""

    remedy: Remedy
    outcome: str


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def trial_remedies(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: what the page polls while a search runs. POST: search, with the draft of ``change``."""
    found = visible_trial(request.user, pk)
    if request.method == "POST":
        start_search(person_of(request), found, request.POST.get("change", ""))
        return redirect(f"{reverse('trial', args=[found.pk])}#remedies")
    context = {"trial": found, **_remedies(request, found)}
    return render(request, "partials/trial_remedies.html", context)


def start_search(user: User, found: Trial, change: str) -> Job:
    """Ask for a search for mitigations, with the draft of a change request (empty: as published).

    Raises Forbidden for somebody who may not edit the destination's policy, Http404 for a change
    request of another release.
    """
    require(user, "edit", found.destination.tree)
    draft = None
    if change:
        number = number_of(change)
        draft = visible_change(user, number) if number is not None else None
        if draft is None or draft.release_id not in (found.source_id, found.destination_id):
            raise Http404
    return jobs.enqueue_search(found, draft, user)


def _remedies(request: HttpRequest, found: Trial) -> dict[str, Any]:
    """The newest search for mitigations of this trial, what it offers, and who may ask for more."""
    job = jobs.jobs_of(found).order_by("-pk").first()
    changes = list(open_changes().filter(release=found.destination))
    context: dict[str, Any] = {
        "may_search": may(request.user, "edit", found.destination.tree),
        "search": job,
        "changes": editable(request.user, found.destination, changes),
        "drafts": _open_changes(found),
    }
    if job is not None and job.result is not None:
        draft = ChangeRequest.objects.filter(pk=job.result["change"]).defer("content").first()
        context |= {
            "offered": [_offered(found, item) for item in job.result["suggestions"]],
            "searched_with": draft,
            "outdated": draft is not None and draft.digest != job.result["digest"],
        }
    return context


def _offered(found: Trial, suggestion: dict[str, Any]) -> Offered:
    entries = tuple(CompatProperty(*entry) for entry in suggestion["entries"])
    reason = _("Without it guests of %(source)s are refused (trial %(number)d).") % {
        "source": found.source.label,
        "number": found.pk,
    }
    remedy = Remedy(found.source.label, found.machine_type, entries, reason)
    return Offered(remedy, suggestion["outcome"])
