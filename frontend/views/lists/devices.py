"""The device types of a release: those with state to migrate, unless others are asked for."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from frontend.filters import DeviceFilter
from frontend.lists.answers import answer
from frontend.lists.kinds import Action, Column, Kind, Rows
from frontend.lists.listing import Asked, Listing
from frontend.scope import Scope, scope_of, state_or_404
from machines.emulator.layout import described_sections
from machines.emulator.qdev import ancestors, properties_of
from policy.permissions import may
from policy.state import State


class Row:
    """A device type in the list; what costs something is looked up when a page shows it."""

    def __init__(self, state: State, name: str, overrides: int, backports: int) -> None:
        self._catalogue = state.catalogue
        self._description = state.catalogue.descriptions.get(name)
        self.name = name
        self.overrides = overrides
        self.backports = backports

    @property
    def has_state(self) -> bool:
        return self._description is not None

    @property
    def parent(self) -> str | None:
        return self._catalogue.types.get(self.name)

    @cached_property
    def lineage(self) -> tuple[str, ...]:
        return tuple(ancestors(self._catalogue, self.name))

    @property
    def current(self) -> int | None:
        return self._description.version_id if self._description else None

    @property
    def minimum(self) -> int | None:
        return self._description.minimum_version_id if self._description else None

    @property
    def versions(self) -> str:
        """``1–3``, the versions that its main section reads."""
        if self.current is None:
            return ""
        return (
            str(self.current) if self.current == self.minimum else f"{self.minimum}–{self.current}"
        )

    @cached_property
    def sections(self) -> tuple[str, ...]:
        """The paths of its sections and subsections."""
        if self._description is None:
            return ()
        return tuple(item.path for item in described_sections(self._description))

    @cached_property
    def subsections(self) -> int:
        if self._description is None:
            return 0
        return sum(item.optional for item in described_sections(self._description))

    @cached_property
    def properties(self) -> int:
        return len(properties_of(self._catalogue, self.name))

    @property
    def decided(self) -> int:
        return self.overrides + self.backports


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


def _policy(row: Row) -> list[str]:
    told = {"backports": row.backports, "overridden": row.overrides}
    return [f"{words}: {number}" for words, number in told.items() if number]


def listing(asked: Asked) -> Listing:
    """The release's device types as published, or as the draft of ``?change=`` has them."""
    scope = scope_of(asked.request, **asked.where)
    return _of(asked, scope, state_or_404(scope))


def _of(asked: Asked, scope: Scope, state: State) -> Listing:
    may_edit = scope.release.base_id and may(asked.request.user, "edit", scope.release.tree)
    return Listing(KIND, asked, rows_of(state), ACTIONS if may_edit else ())


def rows_of(state: State) -> Rows:
    """Every device type of a release, by name."""
    policy = state.policy
    overrides = Counter(item.device for item in policy.overrides) if policy else Counter[str]()
    backports = Counter(item.feature.device for item in policy.backports) if policy else overrides
    names = sorted({*state.catalogue.types, *state.catalogue.descriptions})
    return Rows(Row(state, name, overrides[name], backports[name]) for name in names)


@login_required
@require_safe
def devices(request: HttpRequest, tree: str, version: str) -> HttpResponseBase:
    """Context: listing, scope, state."""
    asked = Asked.by(request, tree=tree, version=version)
    scope = scope_of(request, tree, version)
    state = state_or_404(scope)
    context: dict[str, Any] = {"scope": scope, "state": state}
    return answer(request, _of(asked, scope, state), "pages/devices.html", context)
