"""Two releases compared without a trial: what one sends and the other reads, section by section."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from frontend.access import put_into, status_of
from frontend.forms.comparing import ComparisonForm
from frontend.lists import chips
from frontend.questions import ends
from frontend.questions.comparing import Pair, compared, devices_of, pair_of
from frontend.swaps import respond
from policy.errors import PolicyError
from policy.models import Trial
from policy.questions.comparing import GRADES, Compared, Difference

SECTIONS_PER_PAGE = 100


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def comparison(request: HttpRequest) -> HttpResponse:
    """What the form asks for goes into the address (POST), which shows it (GET).

    Context: form, pair, compared, and what :func:`_shown` tells; only form while nothing is asked.
    """
    choices = ends.choices(request.user)
    if request.method == "POST":
        form = ComparisonForm(request.POST, request.FILES, ends=choices)
        if form.is_valid():
            try:
                return redirect(_address(request, form))
            except PolicyError as error:
                put_into(form, error)
        return _page(request, {"form": form}, status_of(form))
    asked = {name: request.GET.get(name, "") for name in ComparisonForm.base_fields}
    if not (asked["source"] and asked["destination"]):
        return _page(request, {"form": ComparisonForm(initial=asked, ends=choices)})
    form = ComparisonForm(asked, ends=choices)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        data = form.cleaned_data
        try:
            pair = pair_of(request.user, data["source"], data["destination"], data["machine_type"])
            context |= {"pair": pair, **_shown(request, pair, compared(pair, data["devices"]))}
        except PolicyError as error:
            put_into(form, error)
    return _page(request, context, status_of(form))


def _page(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    page, part = "pages/comparison.html", "partials/comparison_found.html"
    return respond(request, page, part, context, status)


def _address(request: HttpRequest, form: ComparisonForm) -> str:
    """Where the comparison is shown that the form asks for. Raises :class:`Invalid`."""
    data = form.cleaned_data
    pair = pair_of(request.user, data["source"], data["destination"], data["machine_type"])
    devices = data["devices"]
    if data["stream"] is not None:
        devices = devices_of(pair, data["stream"].read())
    compared(pair, devices)  # says now what is wrong, while the form has what was typed
    query = {
        "source": pair.source.value,
        "destination": pair.destination.value,
        "machine_type": pair.machine_type,
        "devices": " ".join(devices),
    }
    return f"{reverse('comparison')}?{urlencode({k: v for k, v in query.items() if v})}"


# --- What is shown --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One difference, and the devices that have it alike: (name, address of its page or "")."""

    difference: Difference
    devices: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Group:
    """The differences of one section, the worst first."""

    section: str
    rows: list[Row]

    @property
    def place(self) -> tuple[int, str]:
        """Where it is listed: the sections with the worst grade first."""
        return min(GRADES.index(row.difference.grade) for row in self.rows), self.section


@dataclass(frozen=True, slots=True)
class GradeTab:
    """A grade (empty: all), how many differences have it, and the address that shows those."""

    grade: str
    count: int
    address: str
    current: bool


def _shown(request: HttpRequest, pair: Pair, found: Compared) -> dict[str, Any]:
    """Groups by section, filtered by ``?grade=`` and ``?device=``; counts; links to elsewhere."""
    grade, device = request.GET.get("grade", ""), request.GET.get("device", "")
    of_device = [item for item in found.differences if device in ("", item.device)]
    chosen = [item for item in of_device if grade in ("", item.grade)]
    page = Paginator(_groups(pair, chosen), SECTIONS_PER_PAGE).get_page(request.GET.get("page"))
    return {
        "compared": found,
        "page": page,
        "chosen": len(chosen),
        "grades": _tabs(request, of_device, grade),
        "device": device,
        "devices": sorted({item.device for item in found.differences}),
        "chips": chips(request, {"grade": _("grade"), "device": _("device")}),
        "kept": [
            (name, value)
            for name, value in request.GET.items()
            if name not in ("device", "page") and value
        ],
        "stand_ins": [
            end.state.source.note
            for end in (pair.source, pair.destination)
            if end.state.source.stand_in_for
        ],
        "other_way": _other_way(request, pair),
        "trial": _newest_trial(pair),
    }


def _groups(pair: Pair, found: list[Difference]) -> list[Group]:
    """By section; one row for what several devices have alike."""
    groups: dict[str, dict[Difference, Row]] = {}
    for item in found:
        rows = groups.setdefault(item.section, {})
        row = rows.setdefault(replace(item, device=""), Row(item, []))
        row.devices.append((item.device, pair.device_address(item.device)))
    listed = [Group(section, list(rows.values())) for section, rows in groups.items()]
    return sorted(listed, key=lambda group: group.place)


def _tabs(request: HttpRequest, found: list[Difference], grade: str) -> list[GradeTab]:
    tabs = []
    for name in ("", *GRADES):
        query = request.GET.copy()
        query.pop("page", None)
        query["grade"] = name
        if not name:
            query.pop("grade")
        count = sum(name in ("", item.grade) for item in found)
        tabs.append(GradeTab(name, count, f"?{query.urlencode()}", name == grade))
    return tabs


def _other_way(request: HttpRequest, pair: Pair) -> str:
    query = request.GET.copy()
    for name in ("grade", "device", "page"):
        query.pop(name, None)
    query["source"], query["destination"] = pair.destination.value, pair.source.value
    return f"?{query.urlencode()}"


def _newest_trial(pair: Pair) -> Trial | None:
    """What the model last found on these two, if it was ever asked."""
    trials = Trial.objects.filter(
        source=pair.source.release,
        destination=pair.destination.release,
        machine_type=pair.machine_type,
        varies=None,  # with other properties it says nothing of the two as they are
    )
    return trials.defer("inputs", "result").order_by("-pk").first()
