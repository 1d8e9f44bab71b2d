"""Edits of a machine type's own entries, in place: add, change, move, remove, take back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from frontend import meanwhile
from frontend.access import person_of, put_into, status_of
from frontend.addresses import release_address
from frontend.forms.edits import (
    EntryForm,
    EntryMoveForm,
    EntryPlaceForm,
    EntryRestoreForm,
    EntryValueForm,
)
from frontend.numbers import number_of
from frontend.scope import Scope, scope_of_change
from frontend.swaps import is_swap, respond
from frontend.views.machine_type import BODY, PAGE, Edit, Typed, context_of, removed_entry
from policy import edits
from policy.edits.restoring import restore_entry
from policy.errors import PolicyError
from policy.models import ChangeRequest

#: Makes an edit with the version of the draft that was seen.
_Make = Callable[[ChangeRequest, int], ChangeRequest]


@login_required
@require_POST
def entry_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Add an entry to a machine type's own ones."""
    scope, name = _asked(request, pk)
    form = EntryForm(request.POST)

    def make(change: ChangeRequest, seen: int) -> ChangeRequest:
        data = form.cleaned_data
        driver, property_, value = data["driver"], data["property"], data["value"]
        return edits.add_entry(
            change, person_of(request), seen, name, driver, property_, value, form.position()
        )

    if not _edited(request, scope, form, make):
        return _failed(request, scope, name, form, Edit(form=form))
    text = _("%(driver)s.%(property)s=%(value)s is added.") % form.cleaned_data
    return _after(request, scope, name, text, Edit())


@login_required
@require_POST
def entry_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Give one of a machine type's own entries another value."""
    scope, name = _asked(request, pk)
    form = EntryValueForm(request.POST)

    def make(change: ChangeRequest, seen: int) -> ChangeRequest:
        position, value = form.cleaned_data["position"], form.cleaned_data["value"]
        return edits.change_entry(change, person_of(request), seen, name, position, value)

    if not _edited(request, scope, form, make):
        return _failed(request, scope, name, form, Edit(typed=_typed(form)))
    text = _("The value is %(value)s now.") % form.cleaned_data
    return _after(request, scope, name, text, Edit(edited=form.cleaned_data["position"]))


@login_required
@require_POST
def entry_move(request: HttpRequest, pk: int) -> HttpResponse:
    """Move one of a machine type's own entries to another place among them."""
    scope, name = _asked(request, pk)
    form = EntryMoveForm(request.POST)

    def make(change: ChangeRequest, seen: int) -> ChangeRequest:
        return edits.move_entry(change, person_of(request), seen, name, *form.way)

    if not _edited(request, scope, form, make):
        return _failed(request, scope, name, form, Edit(typed=_typed(form)))
    text = _("Moved to place %(place)d.") % {"place": form.way[1] + 1}
    return _after(request, scope, name, text, Edit(moved=form.way[1]))


@login_required
@require_POST
def entry_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove one of a machine type's own entries; the page offers to take that back."""
    scope, name = _asked(request, pk)
    form = EntryPlaceForm(request.POST)

    def make(change: ChangeRequest, seen: int) -> ChangeRequest:
        position = form.cleaned_data["position"]
        return edits.remove_entry(change, person_of(request), seen, name, position)

    if not _edited(request, scope, form, make):
        return _failed(request, scope, name, form, Edit(typed=_typed(form)))
    fresh = scope_of_change(request, scope.edited.pk)
    position, version = form.cleaned_data["position"], fresh.edited.lock_version - 1
    removed = removed_entry(request.user, fresh, name, version, position)
    return _after(request, scope, name, _("The entry is removed."),
                  Edit(extra={"removed": removed}), undo=f"{version}:{position}")  # fmt: skip


@login_required
@require_POST
def entry_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Put an entry back that was removed, as it was."""
    scope, name = _asked(request, pk)
    form = EntryRestoreForm(request.POST)

    def make(change: ChangeRequest, seen: int) -> ChangeRequest:
        version, position = form.cleaned_data["version"], form.cleaned_data["position"]
        return restore_entry(change, person_of(request), seen, version, name, position)

    if not _edited(request, scope, form, make):
        return _failed(request, scope, name, form, Edit(typed=_typed(form)))
    position = form.cleaned_data["position"]
    return _after(request, scope, name, _("The entry is back."), Edit(edited=position))


# --- What all of them share -----------------------------------------------------------------------


def _asked(request: HttpRequest, pk: int) -> tuple[Scope, str]:
    return scope_of_change(request, pk), request.POST.get("machine_type", "")


def _edited(request: HttpRequest, scope: Scope, form: Any, make: _Make) -> bool:
    """Try the edit; False leaves the reason in the form."""
    if not form.is_valid():
        return False
    seen = form.cleaned_data["lock_version"]
    try:
        edited = make(scope.edited, seen)
    except PolicyError as error:
        put_into(form, error)
        return False
    meanwhile.tell(request, edited, seen)
    return True


def _after(
    request: HttpRequest, scope: Scope, name: str, text: str, edit: Edit, undo: str = ""
) -> HttpResponse:
    """The page as it is now. ``undo`` names what was removed, in the address."""
    messages.success(request, text)
    change = scope.edited.pk
    address = release_address("machine-type", scope.release, name, change=change, undo=undo)
    if not is_swap(request):
        return redirect(address)
    fresh = scope_of_change(request, change)
    context = context_of(request, fresh, name, edit) | {"oob_messages": True}
    response = respond(request, PAGE, BODY, context)
    response["HX-Replace-Url"] = address
    return response


def _failed(
    request: HttpRequest, scope: Scope, name: str, form: BaseForm, edit: Edit
) -> HttpResponse:
    """The page as it is now, with what the person typed and why it was not saved."""
    fresh = scope_of_change(request, scope.edited.pk)
    if not fresh.may_edit:
        raise PermissionDenied(_("This change request cannot be edited by you."))
    context = context_of(request, fresh, name, edit)
    return respond(request, PAGE, BODY, context, status=status_of(form))


def _typed(form: BaseForm) -> Typed:
    position = number_of(form.data.get("position", ""))
    return Typed(
        -1 if position is None else position,
        form.data.get("value", ""),
        " ".join(str(problem) for problems in form.errors.values() for problem in problems),
    )
