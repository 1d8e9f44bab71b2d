"""The device types of a release: those with state to migrate, unless others are asked for."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from frontend.filters import DeviceFilter
from frontend.lists.answers import answer
from frontend.lists.kinds import Action, Column, Kind
from frontend.lists.listing import Asked, Listing
from frontend.lists.release_rows import DeviceRow, device_rows
from frontend.scope import Scope, scope_of, state_or_404
from policy.permissions import may
from policy.state import State

KIND = Kind(
    name="devices",
    title=_("Devices"),
    columns=(
        Column("name", _("Device type"), lambda row: row.name, ("name",), 14, "mono"),
        Column("parent", _("Is a"), lambda row: row.parent or "", ("parent", "name"), 11, "mono"),
        Column("versions", _("Versions"), lambda row: row.versions, ("current", "minimum"), 7,
               "number"),
        Column("subsections", _("Subsections"), lambda row: row.subsections,
               ("subsections", "name"), 7, "number"),
        Column("properties", _("Properties"), lambda row: row.properties,
               ("properties", "name"), 7, "number"),
        Column("policy", _("Policy"), lambda row: _policy(row), ("decided", "name"), 10),
    ),
    filters=DeviceFilter,
    counted=lambda n: ngettext("%(n)d device type", "%(n)d device types", n) % {"n": n},
    key=lambda row: row.name,
    called=lambda row: row.name,
    search=_("Search devices"),
    preset="show=state",
    api="api-devices",
    empty=_("The release’s catalogue tells of no device type."),
)  # fmt: skip
ACTIONS = (
    Action("override", _("Relax or tighten a version")),
    Action("clear-override", _("Clear overrides")),
)


def _policy(row: DeviceRow) -> list[str]:
    told = {"backports": row.backports, "overridden": row.overrides}
    return [f"{words}: {number}" for words, number in told.items() if number]


def listing(asked: Asked) -> Listing:
    """The release's device types as published, or as the draft of ``?change=`` has them."""
    scope = scope_of(asked.request, **asked.where)
    return _of(asked, scope, state_or_404(scope))


def _of(asked: Asked, scope: Scope, state: State) -> Listing:
    may_edit = scope.release.base_id and may(asked.request.user, "edit", scope.release.tree)
    return Listing(KIND, asked, device_rows(state), ACTIONS if may_edit else ())


@login_required
@require_safe
def devices(request: HttpRequest, tree: str, version: str) -> HttpResponseBase:
    """Context: listing, scope, state."""
    asked = Asked.by(request, tree=tree, version=version)
    scope = scope_of(request, tree, version)
    state = state_or_404(scope)
    context: dict[str, Any] = {"scope": scope, "state": state}
    return answer(request, _of(asked, scope, state), "pages/devices.html", context)
