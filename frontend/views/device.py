"""A device of a release: its bitmaps and what is to become of them, its properties and layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.functional import cached_property
from django.views.decorators.http import require_safe

from frontend.forms.edits import TogglesForm
from frontend.names import newest_first
from frontend.questions import ends
from frontend.scope import Scope, scope_of, state_or_404
from frontend.shown import layouts
from frontend.shown.grid import Grid, grid_of, shown_rows
from frontend.shown.overview import open_changes
from frontend.shown.places import DevicePlace, device_place
from frontend.swaps import is_swap, respond
from machines.emulator.layout import DescribedSection
from machines.emulator.qdev import ancestors
from policy import rules
from policy.edits.toggling import Toggle, Turn, deciding, differing, toggle_of, turned
from policy.errors import Invalid
from policy.permissions import may
from policy.rules.bitmaps import Cell, SectionBitmap, section_at
from policy.state import State

PAGE, BODY = "pages/device.html", "partials/device_body.html"
LAYOUT = "partials/device_layout.html"


@dataclass
class DeviceView:
    """A device as somebody looks at it. ``toggles`` are the bits to be turned over, ``problems``
    why others cannot be, in sentences.
    """

    scope: Scope
    state: State
    place: DevicePlace
    name: str
    may_edit_tree: bool
    names: tuple[str, ...] = ()
    toggles: list[Toggle] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def machine_type(self) -> str:
        return self.place.machine_type

    @property
    def is_editable(self) -> bool:
        """May bits be turned over here? In a draft, or on the way to one."""
        if self.scope.change is not None:
            return self.scope.may_edit
        return self.may_edit_tree and self.state.policy is not None

    @cached_property
    def lineage(self) -> tuple[str, ...]:
        return ancestors(self.state.catalogue, self.name)

    @cached_property
    def grid(self) -> Grid:
        return grid_of(self.state, self.machine_type, self.name)

    @cached_property
    def after(self) -> Grid:
        """The grid as it would be with the bits turned over."""
        policy = self.state.policy
        if not self.toggles or policy is None:
            return self.grid
        policy = turned(policy, self.name, self.turns())
        return grid_of(replace(self.state, policy=policy), self.machine_type, self.name)

    @property
    def is_one(self) -> bool:
        return len(self.toggles) == 1

    @property
    def nothing(self) -> str:
        """The address where nothing is to be turned over."""
        return self.place.href(flips=())

    def turns(self, only: str = "") -> list[Turn]:
        """What is to become of the bits; new overrides hold on ``only``, empty for everywhere."""
        return [
            item.turn if item.turn.action == "clear" else replace(item.turn, machine_type=only)
            for item in self.toggles
        ]

    def take(self) -> None:
        """Make toggles of the bits that the address names."""
        for path, version in self.place.flips if self.is_editable else ():
            try:
                section = self.section(path)
                self.toggles.append(
                    toggle_of(self.state.policy, self.lineage, section, version, self.machine_type)
                )
            except Invalid as error:
                self.problems.append(str(error))
        taken = tuple((item.turn.section, item.turn.version) for item in self.toggles)
        self.place = replace(self.place, flips=taken)

    def section(self, path: str) -> SectionBitmap:
        """The section of that path. Raises Invalid."""
        row = self.grid.row(path)
        if row is None:
            raise Invalid(f"{self.name} has no section {path}.", field="section")
        return row.section

    def link(self, path: str, cell: Cell) -> str:
        """Where a click on a cell leads: in a draft it turns the bit over, else it selects it."""
        chosen = {"section": path, "version": cell.version}
        if self.scope.change is None or not self.is_editable or cell.last != cell.version:
            return self.place.href(**chosen)
        return self.place.href(**chosen, flips=self.place.flipped((path, cell.version)))


def looked_at(request: HttpRequest, scope: Scope, name: str, asked: QueryDict) -> DeviceView:
    """The device as ``asked`` names it: the address's query, or a form that was sent."""
    state = state_or_404(scope)
    if name not in state.catalogue.types and name not in state.catalogue.descriptions:
        raise Http404(f"{scope.release.label} has no device type {name}.")
    names = newest_first(rules.machine_types(state))
    place = device_place(scope, name, asked)
    place = replace(place, machine_type=_machine_type(state, names, place.machine_type))
    may_edit = bool(scope.release.base) and may(request.user, "edit", scope.release.tree)
    view = DeviceView(scope, state, place, name, may_edit, names)
    view.take()
    return view


def _machine_type(state: State, names: tuple[str, ...], asked: str) -> str:
    """The machine type that is asked for, else the release's default, else the newest."""
    if asked in names:
        return asked
    known = state.catalogue.machine_types
    return next((name for name in names if name in known and known[name].is_default),
                names[0] if names else "")  # fmt: skip


# --- The page -------------------------------------------------------------------------------------


@login_required
@require_safe
def device(request: HttpRequest, tree: str, version: str, name: str) -> HttpResponse:
    """Context: see :func:`context_of`; the address: see :mod:`frontend.shown.places`.

    ``?set=SECTION&value=0x6`` turns the bits over that differ from a typed value, ``?turn`` the
    selected one, and leads to the address that names them.
    """
    scope = scope_of(request, tree, version)
    view = looked_at(request, scope, name, request.GET)
    if "turn" in request.GET and view.is_editable:
        flip = view.place.section, view.place.version or 0
        return _led(request, view, view.place.href(flips=view.place.flipped(flip)))
    if "value" in request.GET and view.is_editable:
        return _typed(request, view, request.GET.get("set", ""), request.GET["value"])
    context = context_of(request, view)
    if getattr(request.htmx, "target", "") == "layout-card":  # type: ignore[attr-defined]
        return respond(request, PAGE, LAYOUT, context)
    return respond(request, PAGE, BODY, context)


def _typed(request: HttpRequest, view: DeviceView, path: str, text: str) -> HttpResponse:
    try:
        versions = differing(view.section(path), text)
    except Invalid as error:
        typed = {"section": path, "value": text, "problem": str(error)}
        context = context_of(request, view) | {"typed": typed}
        response = respond(request, PAGE, BODY, context, status=422)
        response["HX-Push-Url"] = "false"
        return response
    others = tuple(flip for flip in view.place.flips if flip[0] != path)
    chosen: dict[str, Any] = {"flips": others + tuple((path, version) for version in versions)}
    if versions:
        chosen |= {"section": path, "version": versions[0]}
    return _led(request, view, view.place.href(**chosen))


def _led(request: HttpRequest, view: DeviceView, address: str) -> HttpResponse:
    """The page at another address of it."""
    if not is_swap(request):
        return redirect(address)
    view = looked_at(request, view.scope, view.name, QueryDict(address.partition("?")[2]))
    response = respond(request, PAGE, BODY, context_of(request, view))
    response["HX-Push-Url"] = address
    return response


def context_of(
    request: HttpRequest, view: DeviceView, form: TogglesForm | None = None
) -> dict[str, Any]:
    """``view``; ``rows`` of the grid (ShownRow); ``pending`` bits and their ``form``; ``selected``
    cell; ``set_properties`` and ``default_properties`` (Resolved); the field layout.
    """
    scope, state = view.scope, view.state
    changes = list(open_changes().filter(release=scope.release)) if scope.change is None else []
    if form is None and view.toggles:
        form = toggles_form(view, changes)
    bitmaps = [row.section for row in view.grid.rows]
    resolved = rules.device_properties(
        state.policy, state.catalogue, view.machine_type, view.name, bitmaps
    )
    return {
        "scope": scope,
        "state": state,
        "name": view.name,
        "view": view,
        "place": view.place,
        "lineage": view.lineage[1:],
        "unreadable": state.catalogue.unreadable.get(view.name, ""),
        "machine_type": view.machine_type,
        "names": view.names,
        "grid": view.after,
        "rows": shown_rows(view.grid, view.after, view.place, view.link),
        "selected": _selected(view),
        "form": form,
        "pending": _pending(view, form),
        "swap": is_swap(request),
        "set_properties": [item for item in resolved if item.layer != "default"],
        "default_properties": [item for item in resolved if item.layer == "default"],
        "changes": changes,
        "may_edit_tree": view.may_edit_tree,
    } | _layout(request, view)


def toggles_form(view: DeviceView, changes: Sequence[Any], data: Any = None) -> TogglesForm:
    """The form that saves the bits which are to be turned over."""
    change = view.scope.change
    return TogglesForm(
        data,
        turns=view.turns(),
        changes=[(str(item.pk), f"#{item.pk} {item.title}") for item in changes],
        initial={"lock_version": change.lock_version if change is not None else None},
    )


@dataclass(frozen=True, slots=True)
class Pending:
    """A bit that is to be turned over, in the section of that ``name``.

    ``field`` takes its justification, None where none is needed; ``undo`` leads to where the bit
    stays as it is.
    """

    number: int
    toggle: Toggle
    name: str
    section: SectionBitmap
    field: Any
    undo: str


def _pending(view: DeviceView, form: TogglesForm | None) -> list[Pending]:
    if form is None:
        return []
    return [_one_pending(view, form, number, item) for number, item in enumerate(view.toggles)]


def _one_pending(view: DeviceView, form: TogglesForm, number: int, toggle: Toggle) -> Pending:
    flip, key = (toggle.turn.section, toggle.turn.version), TogglesForm.key(number)
    section = view.section(toggle.turn.section)
    return Pending(
        number=number,
        toggle=toggle,
        name=section.name,
        section=section,
        field=form[key] if key in form.fields else None,
        undo=view.place.href(flips=view.place.flipped(flip)),
    )


def _selected(view: DeviceView) -> dict[str, Any] | None:
    """The cell that the address names, what decides it, and the link that turns it over."""
    place, version = view.place, view.place.version
    found = view.grid.find(place.section, version) if version is not None else None
    if found is None or version is None:
        return None
    row, cell = found
    override = deciding(view.state.policy, view.lineage, place.section, version, place.machine_type)
    own = override is None or override.device == view.name or cell.layer in {"allowed", "default"}
    flip = place.section, version
    return {
        "row": row,
        "cell": cell,
        "override": override,
        "is_pending": flip in place.flips,
        "turn": place.href(flips=place.flipped(flip)) if view.is_editable and own else "",
    }


# --- Layout ---------------------------------------------------------------------------------------


def _layout(request: HttpRequest, view: DeviceView) -> dict[str, Any]:
    """``layout_section``, ``layout_at`` (the version), ``layout`` (FieldRow), ``layout_versions``,
    ``layout_tabs`` (the sections);
    with a release beside: ``beside`` (End), ``beside_rows`` (PairRow), ``beside_counts``,
    ``beside_problem``.
    """
    section = _section(view.state, view.name, view.place.layout)
    if section is None:
        return {"layout_section": None}
    description = section.description
    at = _at(section, view.place.at)
    rows = layouts.layout_of(description, at)
    known = {
        "layout_section": section,
        "layout_at": at,
        "layout": rows,
        "layout_versions": _versions(section),
        "layout_tabs": _tabs(view),
        "beside_choices": ends.choices(request.user),
    }
    if not view.place.beside:
        return known
    try:
        end = ends.end_of(request.user, view.place.beside, "beside")
    except Invalid as error:
        return known | {"beside_problem": str(error)}
    other = section_at(end.state.catalogue, view.name, section.path)
    if other is None:
        return known | {"beside": end, "beside_missing": True}
    there = layouts.layout_of(other.description, at)
    pairs = layouts.beside(rows, there)
    return known | {
        "beside": end,
        "beside_section": other,
        "beside_device": end.address("device", view.name, layout=section.path, at=at),
        "beside_rows": pairs,
        "beside_counts": layouts.counts(pairs),
        "beside_has": other.description.minimum_version_id <= at <= other.description.version_id,
    }


def _tabs(view: DeviceView) -> list[dict[str, str]]:
    """The sections, each with the address that lists its fields."""
    return [
        {
            "name": row.section.name,
            "path": row.section.path,
            "href": view.place.href(layout=row.section.path, at=None),
        }
        for row in view.grid.rows
    ]


def _section(state: State, name: str, path: str) -> DescribedSection | None:
    description = state.catalogue.descriptions.get(name)
    if description is None:
        return None
    return section_at(state.catalogue, name, path) or section_at(
        state.catalogue, name, description.name
    )


def _at(section: DescribedSection, asked: int | None) -> int:
    """The version whose fields are listed: the one asked for where it exists, else the newest."""
    low, high = section.description.minimum_version_id, section.description.version_id
    return asked if asked is not None and low <= asked <= high else high


def _versions(section: DescribedSection) -> list[int]:
    """The versions whose layouts differ: the oldest that is read, and those that bring a field."""
    description = section.description
    low, high = description.minimum_version_id, description.version_id
    begin = {max(item.version_id, low) for item in description.fields if item.version_id <= high}
    return sorted({low, high, *begin})
