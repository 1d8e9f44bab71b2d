"""A failed migration explained from the lines that QEMU printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from frontend.access import put_into, status_of
from frontend.forms.explaining import ExplainForm
from frontend.questions import ends
from frontend.questions.comparing import Pair, pair_of
from frontend.questions.explaining import explained
from frontend.questions.mitigating import Remedy, changes_for
from machines.emulator.catalogue import CompatProperty
from policy.errors import PolicyError
from policy.questions.explaining import Cause, Explanation

MAX_DEVICES = 12
MAX_CAUSES = 24


@dataclass(frozen=True, slots=True)
class ShownCause:
    """A property that differs, with its page, and what would have prevented the failure."""

    cause: Cause
    address: str
    remedy: Remedy


@dataclass(frozen=True, slots=True)
class Shown:
    """An explanation with the addresses of its devices: (name, address or "")."""

    explanation: Explanation
    devices: list[tuple[str, str]]
    causes: list[ShownCause]
    more_causes: int


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def explain(request: HttpRequest) -> HttpResponse:
    """Context: form; with an answer: pair, shown (of each failure), unknown lines, changes.

    A log is too long for an address: the answer to the form is the page itself.
    """
    choices = ends.choices(request.user)
    if request.method != "POST":
        asked = {name: request.GET.get(name, "") for name in ExplainForm.base_fields}
        return _page(request, {"form": ExplainForm(initial=asked, ends=choices)})
    form = ExplainForm(request.POST, ends=choices)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        data = form.cleaned_data
        try:
            pair = pair_of(request.user, data["source"], data["destination"], data["machine_type"])
            found = explained(pair, data["log"])
        except PolicyError as error:
            put_into(form, error)
        else:
            context |= {
                "pair": pair,
                "shown": [_shown(pair, item) for item in found.failures],
                "unknown": found.unknown,
                "changes": changes_for(request.user, pair.destination),
            }
    return _page(request, context, status_of(form))


def _page(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return render(request, "pages/explain.html", context, status=status)


def _shown(pair: Pair, item: Explanation) -> Shown:
    causes = [_shown_cause(pair, cause) for cause in item.causes[:MAX_CAUSES]]
    devices = [(name, pair.device_address(name)) for name in item.devices[:MAX_DEVICES]]
    return Shown(item, devices, causes, len(item.causes) - len(causes))


def _shown_cause(pair: Pair, cause: Cause) -> ShownCause:
    entries = next((item.entries for item in cause.proposals if item.entries), ())
    return ShownCause(cause, pair.device_address(cause.driver), _remedy(pair, cause, entries))


def _remedy(pair: Pair, cause: Cause, entries: tuple[CompatProperty, ...]) -> Remedy:
    reason = _("It is %(there)s in %(source)s, %(here)s in %(destination)s.") % {
        "there": cause.source,
        "source": pair.source.release.label,
        "here": cause.destination,
        "destination": pair.destination.release.label,
    }
    return Remedy(pair.source.release.label, pair.machine_type, entries, reason)
