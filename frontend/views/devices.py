"""Devices of a release: the list."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from frontend.lists import PAGE_SIZE, chips
from frontend.scope import scope_of, state_or_404
from frontend.swaps import respond
from machines.emulator.layout import described_sections
from machines.emulator.qdev import properties_of
from policy.state import State

SHOWN_IN_LIST = {"all": _("every type"), "overridden": _("with overridden bits")}


@dataclass(frozen=True, slots=True)
class Listed:
    """A device type in the list; ``current`` and ``minimum`` are its main section's versions."""

    name: str
    parent: str
    current: int | None
    minimum: int | None
    subsections: int
    properties: int
    overrides: int
    backports: int


@login_required
@require_safe
def devices(request: HttpRequest, tree: str, version: str) -> HttpResponse:
    """Context: scope, state, page, rows (Listed), chips, shown (which kinds can be asked for)."""
    scope = scope_of(request, tree, version)
    state = state_or_404(scope)
    page = Paginator(_names(state, request), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "scope": scope,
        "state": state,
        "page": page,
        "rows": [_listed(state, name) for name in page.object_list],
        "shown": SHOWN_IN_LIST,
        "chips": chips(request, {"q": _("search"), "show": _("show")}),
    }
    return respond(request, "pages/devices.html", "partials/devices.html", context)


def _names(state: State, request: HttpRequest) -> list[str]:
    show = request.GET.get("show", "")
    if show == "all":
        names = {*state.catalogue.types, *state.catalogue.descriptions}
    elif show == "overridden":
        names = {item.device for item in state.policy.overrides} if state.policy else set()
    else:
        names = set(state.catalogue.descriptions)
    words = request.GET.get("q", "").lower().split()
    return sorted(name for name in names if all(word in name.lower() for word in words))


def _listed(state: State, name: str) -> Listed:
    description = state.catalogue.descriptions.get(name)
    policy = state.policy
    return Listed(
        name=name,
        parent=state.catalogue.types.get(name) or "",
        current=description.version_id if description else None,
        minimum=description.minimum_version_id if description else None,
        subsections=sum(item.optional for item in described_sections(description))
        if description
        else 0,
        properties=len(properties_of(state.catalogue, name)),
        overrides=sum(item.device == name for item in policy.overrides) if policy else 0,
        backports=sum(item.feature.device == name for item in policy.backports) if policy else 0,
    )
