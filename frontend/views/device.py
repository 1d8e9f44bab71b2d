"""A device of a release: its bitmaps and edits of them, its properties and layout."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from frontend.access import put_into, status_of
from frontend.addresses import release_address
from frontend.consequences import outcome_changes, overridden, value_changes
from frontend.forms.edits import OverrideForm
from frontend.grid import grid_of, layout_of, override_of
from frontend.names import newest_first
from frontend.numbers import number_of
from frontend.overview import open_changes
from frontend.scope import Scope, scope_of, scope_of_change, state_or_404
from frontend.swaps import is_swap, respond
from machines.emulator.catalogue import Catalogue
from machines.emulator.qdev import Global, Resolved, ancestors, resolve, same_value
from policy import edits, rules
from policy.bitmaps import section_at
from policy.document import Override
from policy.errors import PolicyError
from policy.models import ChangeRequest
from policy.permissions import may
from policy.state import State

PAGE, BODY = "pages/device.html", "partials/device_body.html"


@login_required
@require_safe
def device(request: HttpRequest, tree: str, version: str, name: str) -> HttpResponse:
    """Context: see :func:`_context`. The selected cell is ``?section=&version=``."""
    scope = scope_of(request, tree, version)
    context = _context(request, scope, name, request.GET)
    return respond(request, PAGE, BODY, context)


def _context(
    request: HttpRequest,
    scope: Scope,
    name: str,
    asked: Any,
    form: OverrideForm | None = None,
) -> dict[str, Any]:
    """``grid``; ``selected`` (row, cell, override, form) or None; ``set_properties`` and
    ``default_properties`` (Resolved); ``layout`` of ``layout_section``. ``asked`` names the
    machine type and the cell: the address's query, or the form that was sent.
    """
    state = state_or_404(scope)
    if name not in state.catalogue.types and name not in state.catalogue.descriptions:
        raise Http404(f"{scope.release.label} has no device type {name}.")
    names = newest_first(rules.machine_types(state))
    machine_type = _machine_type(state, names, asked.get("on") or asked.get("machine_type"))
    grid = grid_of(state, machine_type, name)
    selected = _selected(scope, state, name, machine_type, grid, asked, form)
    resolved = _resolved(state, machine_type, name, grid)
    layout = _layout_section(state.catalogue, name, request.GET.get("layout", ""))
    return {
        "scope": scope,
        "state": state,
        "name": name,
        "lineage": ancestors(state.catalogue, name)[1:],
        "unreadable": state.catalogue.unreadable.get(name, ""),
        "machine_type": machine_type,
        "names": names,
        "grid": grid,
        "selected": selected,
        "problems": _problems(form),
        "swap": is_swap(request),
        "set_properties": [item for item in resolved if item.layer != "default"],
        "default_properties": [item for item in resolved if item.layer == "default"],
        "layout_section": layout,
        "layout": layout_of(layout.description) if layout else (),
        "changes": open_changes().filter(release=scope.release),
        "may_edit_tree": may(request.user, "edit", scope.release.tree),
    }


def _problems(form: OverrideForm | None) -> list[str]:
    """Why an override was not saved; the justification's own problem stands at its field."""
    if form is None or not form.is_bound:
        return []
    return [
        str(problem)
        for field, problems in form.errors.items()
        if field != "justification"
        for problem in problems
    ]


def _machine_type(state: State, names: tuple[str, ...], asked: str | None) -> str:
    """The machine type that is asked for, else the release's default, else the newest."""
    if asked in names:
        return str(asked)
    known = state.catalogue.machine_types
    return next((name for name in names if name in known and known[name].is_default),
                names[0] if names else "")  # fmt: skip


def _selected(
    scope: Scope,
    state: State,
    name: str,
    machine_type: str,
    grid: Any,
    asked: Any,
    form: OverrideForm | None,
) -> dict[str, Any] | None:
    """The cell that the address names, what decides it, and the form that would override it."""
    version = number_of(asked.get("version", ""))
    found = grid.find(asked.get("section", ""), version) if version is not None else None
    if found is None:
        return None
    row, cell = found
    if form is None and scope.may_edit and scope.change is not None:
        form = OverrideForm(initial={"lock_version": scope.change.lock_version})
    return {
        "row": row,
        "cell": cell,
        "override": override_of(state, name, row.section.path, cell.version, machine_type),
        "action": "tighten" if cell.layer == "allowed" else "relax",
        "form": form,
    }


def _resolved(state: State, machine_type: str, name: str, grid: Any) -> list[Resolved]:
    """Every property with its effective value; the bitmaps are the policy's layer."""
    blacklists = [
        Global(name, row.section.property, row.section.effective_value, "policy", "bitmap")
        for row in grid.rows
        if not same_value(row.section.effective_value, "0x0")
    ]
    entries = rules.globals_of(state.policy, state.catalogue, machine_type)
    resolved = resolve(state.catalogue, name, (*entries, *blacklists))
    return sorted(resolved.values(), key=lambda item: item.name)


def _layout_section(catalogue: Catalogue, name: str, path: str) -> Any:
    description = catalogue.descriptions.get(name)
    if description is None:
        return None
    return section_at(catalogue, name, path) or section_at(catalogue, name, description.name)


@login_required
@require_safe
def override_preview(request: HttpRequest, pk: int) -> HttpResponse:
    """What an override would change, before it is saved: ``?device=&section=&version=&action=``
    on ``?on=``, the machine type that is looked at; with ``&machine_type=`` on that one alone.
    """
    scope, asked = scope_of_change(request, pk), request.GET
    state = state_or_404(scope)
    version, action = number_of(asked.get("version", "")), asked.get("action", "")
    names = newest_first(rules.machine_types(state))
    grid = grid_of(state, _machine_type(state, names, asked.get("on")), asked.get("device", ""))
    if state.policy is None or action not in {"relax", "tighten"} or version is None:
        raise Http404("No such override.")
    if grid.find(asked.get("section", ""), version) is None:
        raise Http404("No such section or version.")
    only = asked.get("machine_type", "")
    if only and only not in names:
        raise Http404("No such machine type.")
    new = Override(asked["device"], asked["section"], version, action, "preview", only)  # type: ignore[arg-type]
    after = overridden(state.policy, new)
    machine_type = _machine_type(state, names, asked.get("on"))
    context = {
        "scope": scope,
        "override": new,
        "machine_type": machine_type,
        "total": len(names),
        "values": value_changes(state, after, new.device),
        "outcomes": outcome_changes(state.policy, after, machine_type, new.device)
        if machine_type
        else (),
    }
    return respond(request, "pages/consequences.html", "partials/consequences.html", context)


# --- Edits of a bitmap ----------------------------------------------------------------------------


@login_required
@require_POST
def override_set(request: HttpRequest, pk: int) -> HttpResponse:
    """Relax or tighten one version of a section."""
    scope, form = scope_of_change(request, pk), OverrideForm(request.POST)

    def edit(change: ChangeRequest, data: dict[str, Any]) -> str:
        user: Any = request.user
        edits.set_override(
            change, user, data["lock_version"], request.POST.get("device", ""),
            data["section"], data["version"], data["action"], data["justification"],
            data["machine_type"],
        )  # fmt: skip
        return _("Version %(version)s of %(section)s is overridden.") % data

    return _overridden(request, scope, form, edit)


@login_required
@require_POST
def override_clear(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the computed default decide again."""
    scope, form = scope_of_change(request, pk), OverrideForm(request.POST)

    def edit(change: ChangeRequest, data: dict[str, Any]) -> str:
        user: Any = request.user
        edits.clear_override(
            change, user, data["lock_version"], request.POST.get("device", ""),
            data["section"], data["version"], data["machine_type"],
        )  # fmt: skip
        return _("The default decides version %(version)s of %(section)s again.") % data

    return _overridden(request, scope, form, edit)


def _overridden(request: HttpRequest, scope: Scope, form: OverrideForm, edit: Any) -> HttpResponse:
    change, name = scope.change, request.POST.get("device", "")
    assert change is not None  # noqa: S101 - scope_of_change has found it
    if form.is_valid():
        try:
            messages.success(request, edit(change, form.cleaned_data))
        except PolicyError as error:
            put_into(form, error)
    fresh = scope_of_change(request, change.pk)
    if form.is_valid():
        if not is_swap(request):
            return redirect(_cell_address(fresh, name, request.POST))
        context = _context(request, fresh, name, request.POST) | {"oob_messages": True}
        return respond(request, PAGE, BODY, context)
    if not fresh.may_edit or fresh.change is None:
        raise PermissionDenied(_("This change request cannot be edited by you."))
    context = _context(request, fresh, name, request.POST, form)
    return respond(request, PAGE, BODY, context, status=status_of(form))


def _cell_address(scope: Scope, name: str, cell: Any) -> str:
    assert scope.change is not None  # noqa: S101 - it was edited
    return release_address(
        "device", scope.release, name,
        change=scope.change.pk, machine_type=cell.get("on", ""),
        section=cell.get("section", ""), version=cell.get("version", ""),
    )  # fmt: skip
