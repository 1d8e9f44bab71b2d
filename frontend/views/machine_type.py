"""One machine type of a release: its resolved properties, and edits of its own entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from frontend.access import person_of, put_into, status_of
from frontend.addresses import release_address
from frontend.entries import Row, grouped, rows_of
from frontend.forms.edits import (
    EntryForm,
    EntryPlaceForm,
    EntryValueForm,
)
from frontend.names import newest_first
from frontend.numbers import number_of
from frontend.overview import open_changes
from frontend.scope import Scope, scope_of, scope_of_change, state_or_404
from frontend.swaps import is_swap, respond
from machines.emulator.catalogue import MachineType
from machines.emulator.qdev import properties_of, text_of
from policy import edits, rules
from policy.errors import PolicyError
from policy.models import ChangeRequest
from policy.permissions import may
from policy.state import State

PAGE, BODY = "pages/machine_type.html", "partials/machine_type_body.html"


@login_required
@require_safe
def machine_type(request: HttpRequest, tree: str, version: str, name: str) -> HttpResponse:
    """Context: see :func:`_context`."""
    scope = scope_of(request, tree, version)
    return respond(request, PAGE, BODY, _context(request, scope, name))


@dataclass(frozen=True, slots=True)
class Typed:
    """What someone typed into an entry that could not be saved, and why."""

    position: int
    value: str
    errors: str


def _context(
    request: HttpRequest,
    scope: Scope,
    name: str,
    form: EntryForm | None = None,
    typed: Typed | None = None,
) -> dict[str, Any]:
    """``rows`` in order of application, ``own`` those that can be edited, ``groups`` by device;
    ``form`` a further entry; ``typed`` what could not be saved; ``others`` to switch to.
    """
    state = state_or_404(scope)
    names = newest_first(rules.machine_types(state))
    if name not in names:
        raise Http404(f"{scope.release.label} has no machine type {name}.")
    rows = rows_of(state, name)
    shown = [row for row in rows if _matches(row, request.GET.get("q", ""))]
    if form is None and scope.may_edit and scope.change is not None:
        form = EntryForm(initial={"lock_version": scope.change.lock_version})
    return {
        "scope": scope,
        "state": state,
        "name": name,
        "names": names,
        "known": state.catalogue.machine_types.get(name, MachineType(name)),
        "decided": state.policy.machine_type(name) if state.policy else None,
        "lineage": state.policy.lineage(name)[:-1][::-1] if state.policy else (),
        "told_by": _told_by(state, name),
        "rows": rows,
        "shown": shown,
        "own": [row for row in rows if row.machine_type == name],
        "overridden": sum(row.winner is not None for row in rows),
        "by_order": request.GET.get("view") == "order",
        "groups": grouped(state, shown),
        "form": form,
        "typed": typed,
        "drivers": sorted(state.catalogue.types) if scope.may_edit else (),
        "changes": open_changes().filter(release=scope.release),
        "may_edit_tree": may(request.user, "edit", scope.release.tree),
    }


_SOURCES = {"query-machines": gettext_lazy("QEMU itself"), "arrays": gettext_lazy("the C arrays")}


def _told_by(state: State, name: str) -> str | Promise:
    """Whose word an entry is that names no array."""
    if state.policy is not None and state.policy.machine_type(name) is not None:
        return _("the policy")
    known = state.catalogue.machine_types.get(name)
    return _SOURCES.get(known.compat_source if known else "", _("nobody"))


def _matches(row: Row, search: str) -> bool:
    text = f"{row.entry.driver}.{row.entry.property}={row.entry.value} {row.entry.array}".lower()
    return all(word in text for word in search.lower().split())


@login_required
@require_safe
def completion(request: HttpRequest, tree: str, version: str) -> HttpResponse:
    """The properties of ``?driver=`` as options, and what ``?property=`` takes. htmx swaps it."""
    state = state_or_404(scope_of(request, tree, version))
    driver = request.GET.get("driver", "")
    properties = properties_of(state.catalogue, driver)
    info = properties.get(request.GET.get("property", ""))
    context = {
        "driver": driver,
        "known": driver in state.catalogue.types,
        "properties": sorted(properties),
        "info": info,
        "default": text_of(info.default) if info else None,
        "asked": request.GET.get("property", ""),
    }
    return render(request, "partials/completion.html", context)


# --- Edits of a machine type's own entries --------------------------------------------------------


@login_required
@require_POST
def entry_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Add an entry to a machine type's own ones."""
    scope, name = scope_of_change(request, pk), request.POST.get("machine_type", "")
    form = EntryForm(request.POST)

    def edit(change: ChangeRequest, data: dict[str, Any]) -> str:
        edits.add_entry(
            change, person_of(request), data["lock_version"],
            name, data["driver"], data["property"], data["value"], data["position"],
        )  # fmt: skip
        return _("%(driver)s.%(property)s=%(value)s is added.") % data

    if _edited(request, scope, form, edit):
        return _after_edit(request, scope, name)
    return _failed(request, scope, name, form, form, None)


@login_required
@require_POST
def entry_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Give one of a machine type's own entries another value."""
    scope, name = scope_of_change(request, pk), request.POST.get("machine_type", "")
    form = EntryValueForm(request.POST)

    def edit(change: ChangeRequest, data: dict[str, Any]) -> str:
        edits.change_entry(
            change, person_of(request), data["lock_version"], name, data["position"], data["value"]
        )
        return _("The value is %(value)s now.") % data

    if _edited(request, scope, form, edit):
        return _after_edit(request, scope, name)
    return _failed(request, scope, name, form, None, _typed(form))


@login_required
@require_POST
def entry_move(request: HttpRequest, pk: int) -> HttpResponse:
    """Move one of a machine type's own entries to the place ``to``."""

    def edit(change: ChangeRequest, data: dict[str, Any]) -> str:
        to = data["to"] if data["to"] is not None else data["position"]
        name = request.POST.get("machine_type", "")
        edits.move_entry(
            change, person_of(request), data["lock_version"], name, data["position"], to
        )
        return _("Moved to place %(place)d.") % {"place": to + 1}

    return _placed(request, pk, edit)


@login_required
@require_POST
def entry_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove one of a machine type's own entries."""

    def edit(change: ChangeRequest, data: dict[str, Any]) -> str:
        name = request.POST.get("machine_type", "")
        edits.remove_entry(change, person_of(request), data["lock_version"], name, data["position"])
        return _("The entry is removed.")

    return _placed(request, pk, edit)


_Edit = Callable[[ChangeRequest, dict[str, Any]], str]


def _placed(request: HttpRequest, pk: int, edit: _Edit) -> HttpResponse:
    scope, name = scope_of_change(request, pk), request.POST.get("machine_type", "")
    form = EntryPlaceForm(request.POST)
    if _edited(request, scope, form, edit):
        return _after_edit(request, scope, name, form.cleaned_data["to"])
    return _failed(request, scope, name, form, None, _typed(form))


def _edited(request: HttpRequest, scope: Scope, form: BaseForm, edit: _Edit) -> bool:
    """Try the edit; False leaves the reason in the form."""
    if not form.is_valid():
        return False
    try:
        messages.success(request, edit(scope.edited, form.cleaned_data))
    except PolicyError as error:
        put_into(form, error)
        return False
    return True


def _after_edit(
    request: HttpRequest, scope: Scope, name: str, moved: int | None = None
) -> HttpResponse:
    """The page as it is now. ``moved``: the place to which the focus follows an entry."""
    if not is_swap(request):
        return redirect(_address(scope, name))
    fresh = scope_of_change(request, scope.edited.pk)
    context = _context(request, fresh, name) | {"oob_messages": True, "moved": moved}
    return render(request, BODY, context)


def _failed(
    request: HttpRequest,
    scope: Scope,
    name: str,
    form: BaseForm,
    add: EntryForm | None,
    typed: Typed | None,
) -> HttpResponse:
    """The page as it is now, with what the person typed and why it was not saved."""
    fresh = scope_of_change(request, scope.edited.pk)
    if not fresh.may_edit:
        raise PermissionDenied(_("This change request cannot be edited by you."))
    return respond(request, PAGE, BODY, _context(request, fresh, name, add, typed),
                   status=status_of(form))  # fmt: skip


def _typed(form: BaseForm) -> Typed:
    position = number_of(form.data.get("position", ""))
    return Typed(
        -1 if position is None else position,
        form.data.get("value", ""),
        " ".join(str(problem) for problems in form.errors.values() for problem in problems),
    )


def _address(scope: Scope, name: str) -> str:
    return release_address("machine-type", scope.release, name, change=scope.edited.pk)
