"""The machine types of a release, and what is done to the list itself: add, compose, remove."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from frontend import meanwhile
from frontend.access import person_of, put_into, status_of
from frontend.addresses import release_address
from frontend.filters import MachineTypeFilter
from frontend.forms.edits import MachineTypeForm, SeedForm
from frontend.lists.answers import answer
from frontend.lists.kinds import Action, Column, Kind
from frontend.lists.listing import Asked, Listing
from frontend.lists.release_rows import MachineTypeRow, machine_type_rows
from frontend.names import newest_first
from frontend.scope import Scope, scope_of, scope_of_change, state_or_404
from frontend.shown.overview import open_changes
from machines.catalogue import NoCatalogue, effective_catalogue
from machines.emulator.catalogue.composition import dated_arrays
from policy import edits, rules
from policy.errors import PolicyError
from policy.permissions import may
from policy.state import State


def _remarks(row: MachineTypeRow) -> list[str]:
    alias = [f"alias {row.alias}"] if row.alias else []
    return [*sorted(row.marks - {"alias"}), *alias, *([row.note] if row.note else [])]


KIND = Kind(
    name="machine-types",
    title=_("Machine types"),
    columns=(
        Column("name", _("Name"), lambda row: row.name, ("name",), 16, "mono"),
        Column("parent", _("Goes on from"), lambda row: row.parent, ("parent", "name"), 13,
               "mono"),
        Column("own", _("Own entries"), lambda row: row.own, ("own", "name"), 7, "number"),
        Column("total", _("Resolved"), lambda row: row.total, ("total", "name"), 7, "number"),
        Column("remarks", _("Remarks"), _remarks, ("note", "name"), 13),
    ),
    filters=MachineTypeFilter,
    counted=lambda n: ngettext("%(n)d machine type", "%(n)d machine types", n) % {"n": n},
    key=lambda row: row.name,
    called=lambda row: row.name,
    search=_("Search machine types"),
    api="api-machine-types",
    empty=_("Neither the policy nor the catalogue names any."),
)  # fmt: skip
ADD_ENTRY = Action("add-entry", _("Add a property"))
CHANGE_ENTRY = Action("change-entry", _("Change a property"))
REMOVE_ENTRY = Action("remove-entry", _("Remove a property"))


def listing(asked: Asked) -> Listing:
    """The release's machine types as published, or as the draft of ``?change=`` has them."""
    scope = scope_of(asked.request, **asked.where)
    return _of(asked, scope, state_or_404(scope))


def _of(asked: Asked, scope: Scope, state: State) -> Listing:
    may_edit = scope.release.base_id and may(asked.request.user, "edit", scope.release.tree)
    actions = (ADD_ENTRY, CHANGE_ENTRY, REMOVE_ENTRY) if may_edit else ()
    return Listing(KIND, asked, machine_type_rows(state), actions)


@login_required
@require_safe
def machine_types(request: HttpRequest, tree: str, version: str) -> HttpResponseBase:
    """Context: see :func:`_page`."""
    return _page(request, scope_of(request, tree, version))


def _page(
    request: HttpRequest,
    scope: Scope,
    form: MachineTypeForm | None = None,
    seed: SeedForm | None = None,
) -> HttpResponseBase:
    """Context: listing, scope, state, form (a new one), seed and ``arrays``, the versions of the
    release's line that its C arrays tell of, changes (open ones), may_edit_tree.
    """
    state = state_or_404(scope)
    asked = Asked.by(request, tree=scope.release.tree.name, version=scope.release.version)
    status = status_of(form or seed) if form or seed else 200  # type: ignore[arg-type]
    if scope.may_edit and scope.change is not None:
        initial = {"lock_version": scope.change.lock_version}
        names = newest_first(rules.machine_types(state))
        form = form or MachineTypeForm(names=names, initial=initial)
        seed = seed or SeedForm(initial=initial)
    context = {
        "scope": scope,
        "state": state,
        "form": form,
        "seed": seed,
        "arrays": _array_versions(scope) if seed else (),
        "changes": open_changes().filter(release=scope.release),
        "may_edit_tree": may(request.user, "edit", scope.release.tree),
    }
    found = _of(asked, scope, state)
    return answer(request, found, "pages/machine_types.html", context, status)


def _array_versions(scope: Scope) -> list[str]:
    """What the release's own sources tell of, which a draft's base alone need not have."""
    try:
        catalogue, _source = effective_catalogue(scope.release)
    except NoCatalogue:
        return []
    dated = dated_arrays(scope.release.tree.name, catalogue.arrays)
    return [".".join(map(str, version)) for version, _names in dated]


# --- What is done to the list ---------------------------------------------------------------------


@login_required
@require_POST
def machine_type_add(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Add a machine type to a draft."""
    scope = scope_of_change(request, pk)
    change = scope.edited
    form = MachineTypeForm(request.POST, names=rules.machine_types(state_or_404(scope)))
    if form.is_valid():
        data = form.cleaned_data
        try:
            edited = edits.add_machine_type(
                change, person_of(request), data["lock_version"],
                data["name"], data["parent"], data["note"],
            )  # fmt: skip
        except PolicyError as error:
            put_into(form, error)
        else:
            meanwhile.tell(request, edited, data["lock_version"])
            messages.success(request, gettext("%(name)s is added.") % {"name": data["name"]})
            return redirect(
                release_address("machine-type", scope.release, data["name"], change=change.pk)
            )
    return _page(request, scope, form=form)


@login_required
@require_POST
def machine_type_seed(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Add machine types to a draft, composed from the release's own C arrays."""
    scope, form = scope_of_change(request, pk), SeedForm(request.POST)
    change = scope.edited
    if form.is_valid():
        names = form.cleaned_data["names"]
        try:
            edited = edits.seed_machine_types(
                change, person_of(request), form.cleaned_data["lock_version"], names
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            meanwhile.tell(request, edited, form.cleaned_data["lock_version"])
            messages.success(request, gettext("Composed: %(names)s.") % {"names": ", ".join(names)})
            return redirect(release_address("machine-types", scope.release, change=change.pk))
    return _page(request, scope, seed=form)


@login_required
@require_POST
def machine_type_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Remove a machine type from a draft."""
    scope = scope_of_change(request, pk)
    name = request.POST.get("name", "")
    form = MachineTypeForm({"lock_version": request.POST.get("lock_version"), "name": name},
                           names=())  # fmt: skip
    if form.is_valid():
        version = form.cleaned_data["lock_version"]
        try:
            edited = edits.remove_machine_type(scope.edited, person_of(request), version, name)
        except PolicyError as error:
            put_into(form, error)
        else:
            meanwhile.tell(request, edited, version)
            messages.success(request, gettext("%(name)s is removed.") % {"name": name})
    for problems in form.errors.values():
        messages.error(request, " ".join(map(str, problems)))
    return redirect(release_address("machine-types", scope.release, change=scope.edited.pk))
