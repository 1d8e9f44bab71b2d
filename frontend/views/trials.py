"""One trial: its outcome, its stream, mitigations of it, and the same with other properties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from frontend.access import person_of, put_into, status_of, visible_trial
from frontend.actions import trials
from frontend.forms.streams import VariantForm
from frontend.questions.mitigating import Remedy, editable
from frontend.shown.anatomy import part_asked, window_of
from frontend.shown.overview import CLOSED, open_changes
from frontend.shown.reasons import OUTCOMES, REFUSALS
from frontend.swaps import respond
from machines import kept_streams
from machines.emulator import bitmap, qdev
from machines.emulator.catalogue import CompatProperty
from policy.errors import Invalid, PolicyError, TooMany
from policy.models import ChangeRequest, Trial
from policy.permissions import may
from policy.trials import recordings, variants
from workers import jobs
from workers.models import Job

PAGE, BODY = "pages/trial.html", "partials/trial.html"
MAX_ROWS = 200
#: Variants of a trial that its page lists.
MAX_LISTED = 30


# --- One trial ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InForce:
    """A property that is set on a side of the trial; None where that side does not set it."""

    driver: str
    property: str
    source: str | None
    destination: str | None
    layer: str

    def is_bitmap(self) -> bool:
        """Whether it is decided on the device's page, not on the machine type's."""
        return self.property.startswith(bitmap.PROPERTY)

    def name(self) -> str:
        """As a search of a machine type's entries takes it."""
        return f"{self.driver}.{self.property}"


@login_required
@require_safe
def trial(request: HttpRequest, pk: int) -> HttpResponse:
    """What was migrated where, the outcome, and everything that it depended on."""
    context = _context(request, visible_trial(request.user, pk))
    return respond(request, PAGE, BODY, context)


def _context(request: HttpRequest, found: Trial, form: VariantForm | None = None) -> dict[str, Any]:
    result = found.result or {}
    properties = in_force(found.inputs)
    differing = [item for item in properties if item.source != item.destination]
    whole = request.GET.get("properties") == "all"
    lost = _explained(found, result.get("lost", [])[:MAX_ROWS], differing)
    hops = [
        {**hop, "problems": _explained(found, hop.get("problems", [])[:MAX_ROWS], differing)}
        for hop in result.get("hops", ())
    ]
    user_set = variants.user_properties(found.inputs)
    return {
        "trial": found,
        "result": result,
        "rule": OUTCOMES.get(found.outcome),
        "hops": hops,
        "lost": lost,
        "lost_more": max(0, len(result.get("lost", [])) - MAX_ROWS),
        "ends": [
            (name, release, found.inputs[end], user_set[end])
            for end, name, release in (
                ("source", _("Source"), found.source),
                ("destination", _("Destination"), found.destination),
            )
        ],
        "property_count": len(properties),
        "differing_count": len(differing),
        "properties": properties if whole else differing[:MAX_ROWS],
        "whole": whole,
        "asking": _open_changes(found),
        "form": form or VariantForm(initial=_again(user_set)),
        "picker_adds": [
            ("id_source", _("Add to the source")),
            ("id_destination", _("Add to the destination")),
        ],
        "variants": _variants(found),
        "held_by": _job(found),
        "pair_query": _pair_query(found),
        **_remedies(request, found),
    }


def _again(user_set: dict[str, list[CompatProperty]]) -> dict[str, str]:
    """What a variant sets, as its form shows it: the next one begins there."""
    return {
        end: "\n".join(f"{item.driver}.{item.property}={item.value}" for item in listed)
        for end, listed in user_set.items()
    }


def _explained(
    found: Trial, rows: Iterable[dict[str, Any]], differing: Sequence[InForce]
) -> list[dict[str, Any]]:
    """Refusals or losses, each with the properties of its device that the two sides set otherwise
    (``decisive``).
    """
    rows = list(rows)
    if not (rows and differing):
        return rows
    try:
        catalogue = variants.catalogue_of(found.inputs["destination"])
    except Invalid:
        return rows
    lineages = {
        device: set(qdev.ancestors(catalogue, device))
        for device in {row.get("device", "") for row in rows}
    }
    return [
        {**row, "decisive": [p for p in differing if p.driver in lineages[row.get("device", "")]]}
        for row in rows
    ]


def _variants(found: Trial) -> Any:
    return found.variants.select_related("asked_by").defer("inputs", "result")[:MAX_LISTED]


def _pair_query(found: Trial) -> str:
    """The pair of releases, as the matrix and the comparison take it."""
    return urlencode(
        {
            "source": found.source.label,
            "destination": found.destination.label,
            "machine_type": found.machine_type,
        }
    )


def _job(found: Trial) -> Job | None:
    """The job that holds a variant; of a required trial its change request tells."""
    if found.varies_id is None or found.state in (Trial.State.DONE, Trial.State.FAILED):
        return None
    return jobs.variants_of(found).first()


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


@login_required
@require_safe
def trial_rules(request: HttpRequest) -> HttpResponse:
    """Why trials end as they do: the same for everybody."""
    context = {"outcomes": OUTCOMES.values(), "refusals": REFUSALS.values()}
    return render(request, "pages/trial_rules.html", context)


# --- Once more, with other properties -------------------------------------------------------------


@login_required
@require_http_methods(["POST"])
def trial_vary(request: HttpRequest, pk: int) -> HttpResponse:
    """Hold the trial with properties on top, as a row of its own."""
    found = visible_trial(request.user, pk)
    form = VariantForm(request.POST)
    if form.is_valid():
        try:
            varied = trials.vary(person_of(request), found, **form.cleaned_data)
        except PolicyError as error:
            put_into(form, error)
        else:
            return redirect("trial", varied.pk)
    return respond(request, PAGE, BODY, _context(request, found, form), status_of(form))


# --- The stream -----------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def trial_stream(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: what was sent, beside what arrived. POST: have the stream made again from the inputs."""
    found = visible_trial(request.user, pk)
    if request.method == "POST":
        try:
            trials.ask_for_stream(person_of(request), found)
        except Invalid as error:
            messages.error(request, str(error))
        return redirect("trial-stream", found.pk)
    stream = recordings.stream_of(found)
    window = None
    if stream is not None:
        kept_streams.renew(stream)
        window = window_of(stream, request.GET)
    context: dict[str, Any] = {"trial": found, "stream": stream, "window": window}
    if window is not None and (asked := part_asked(request)):
        return render(request, asked, context)
    if stream is None:
        context["record"] = jobs.records_of(found).first()
    page, part = "pages/trial_stream.html", "partials/trial_stream.html"
    return respond(request, page, part, context)


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
        try:
            trials.start_search(person_of(request), found, request.POST.get("change", ""))
        except TooMany as error:
            messages.error(request, str(error))
        return redirect(f"{reverse('trial', args=[found.pk])}#remedies")
    context = {"trial": found, **_remedies(request, found)}
    return render(request, "partials/trial_remedies.html", context)


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
