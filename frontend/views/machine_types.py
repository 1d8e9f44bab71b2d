"""Machine types of a release: the list, and which there are in a draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from frontend.access import person_of, put_into, status_of
from frontend.addresses import release_address
from frontend.forms.edits import (
    MachineTypeForm,
    SeedForm,
)
from frontend.lists import chips
from frontend.names import newest_first
from frontend.overview import open_changes
from frontend.scope import Scope, scope_of, scope_of_change, state_or_404
from frontend.swaps import respond
from machines.catalogue import NoCatalogue, effective_catalogue
from machines.emulator.catalogue import MachineType
from machines.emulator.catalogue.composition import dated_arrays
from policy import edits, rules
from policy.errors import PolicyError
from policy.permissions import may
from policy.state import State

LIST, LIST_ROWS = "pages/machine_types.html", "partials/machine_types.html"


@dataclass(frozen=True, slots=True)
class Listed:
    """A machine type in the list. ``own`` entries are set by itself, ``total`` with its parents."""

    name: str
    known: MachineType
    parent: str
    own: int
    total: int
    note: str


@login_required
@require_safe
def machine_types(request: HttpRequest, tree: str, version: str) -> HttpResponse:
    """Context: scope, state, rows (Listed), chips, form (a new one), may_edit_tree, changes."""
    scope = scope_of(request, tree, version)
    context = _list_context(request, scope)
    return respond(request, LIST, LIST_ROWS, context)


def _list_context(
    request: HttpRequest,
    scope: Scope,
    form: MachineTypeForm | None = None,
    seed: SeedForm | None = None,
) -> dict[str, Any]:
    """``arrays``: the versions of the release's line that its C arrays tell of."""
    state = state_or_404(scope)
    names = newest_first(rules.machine_types(state))
    words = request.GET.get("q", "").lower().split()
    rows = [_listed(state, name) for name in names if all(word in name.lower() for word in words)]
    if scope.may_edit and scope.change is not None:
        initial = {"lock_version": scope.change.lock_version}
        form = form or MachineTypeForm(names=names, initial=initial)
        seed = seed or SeedForm(initial=initial)
    return {
        "scope": scope,
        "state": state,
        "rows": rows,
        "total": len(names),
        "chips": chips(request, {"q": _("search")}),
        "form": form,
        "seed": seed,
        "arrays": _array_versions(scope) if seed else (),
        "changes": open_changes().filter(release=scope.release),
        "may_edit_tree": may(request.user, "edit", scope.release.tree),
    }


def _array_versions(scope: Scope) -> list[str]:
    """What the release's own sources tell of, which a draft's base alone need not have."""
    try:
        catalogue, _source = effective_catalogue(scope.release)
    except NoCatalogue:
        return []
    dated = dated_arrays(scope.release.tree.name, catalogue.arrays)
    return [".".join(map(str, version)) for version, _names in dated]


def _listed(state: State, name: str) -> Listed:
    known = state.catalogue.machine_types.get(name, MachineType(name))
    decided = state.policy.machine_type(name) if state.policy is not None else None
    if state.policy is None or decided is None:
        return Listed(name, known, "", len(known.compat), len(known.compat), "")
    total = len(state.policy.resolved(name))
    return Listed(name, known, decided.parent, len(decided.entries), total, decided.note)


@login_required
@require_POST
def machine_type_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a machine type to a draft."""
    scope = scope_of_change(request, pk)
    change = scope.edited
    form = MachineTypeForm(request.POST, names=rules.machine_types(state_or_404(scope)))
    if form.is_valid():
        data = form.cleaned_data
        try:
            edits.add_machine_type(
                change, person_of(request), data["lock_version"],
                data["name"], data["parent"], data["note"],
            )  # fmt: skip
        except PolicyError as error:
            put_into(form, error)
        else:
            messages.success(request, _("%(name)s is added.") % {"name": data["name"]})
            return redirect(
                release_address("machine-type", scope.release, data["name"], change=change.pk)
            )
    return render(request, LIST, _list_context(request, scope, form),
                  status=status_of(form))  # fmt: skip


@login_required
@require_POST
def machine_type_seed(request: HttpRequest, pk: int) -> HttpResponse:
    """Add machine types to a draft, composed from the release's own C arrays."""
    scope, form = scope_of_change(request, pk), SeedForm(request.POST)
    change = scope.edited
    if form.is_valid():
        names = form.cleaned_data["names"]
        try:
            edits.seed_machine_types(
                change, person_of(request), form.cleaned_data["lock_version"], names
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            messages.success(request, _("Composed: %(names)s.") % {"names": ", ".join(names)})
            return redirect(release_address("machine-types", scope.release, change=change.pk))
    context = _list_context(request, scope, seed=form)
    return render(request, LIST, context, status=status_of(form))


@login_required
@require_POST
def machine_type_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove a machine type from a draft."""
    scope = scope_of_change(request, pk)
    name = request.POST.get("name", "")
    form = MachineTypeForm({"lock_version": request.POST.get("lock_version"), "name": name},
                           names=())  # fmt: skip
    if form.is_valid():
        version = form.cleaned_data["lock_version"]
        try:
            edits.remove_machine_type(scope.edited, person_of(request), version, name)
        except PolicyError as error:
            put_into(form, error)
        else:
            messages.success(request, _("%(name)s is removed.") % {"name": name})
    for problems in form.errors.values():
        messages.error(request, " ".join(map(str, problems)))
    return redirect(release_address("machine-types", scope.release, change=scope.edited.pk))
