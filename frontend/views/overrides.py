"""Bits of a device's bitmaps, turned over: what that would change, and saving it in a draft."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from frontend import meanwhile
from frontend.access import demand, person_of, put_into, status_of, visible_change
from frontend.forms.edits import NEW_CHANGE, TogglesForm
from frontend.questions import previewing
from frontend.scope import Scope, scope_of
from frontend.shown.overview import open_changes
from frontend.shown.places import device_place
from frontend.swaps import is_swap, respond
from frontend.views.device import BODY, PAGE, DeviceView, context_of, looked_at, toggles_form
from policy import edits
from policy.edits import operations
from policy.edits.toggling import operations_of
from policy.errors import PolicyError
from policy.models import ChangeRequest


@login_required
@require_safe
def preview(request: HttpRequest, tree: str, version: str, name: str) -> HttpResponse:
    """What the bits that the address names would change: see :mod:`frontend.shown.places`.

    With ``&only=`` on that machine type alone. Context: view, answer (previewing.Answer), place,
    here (this address), device_address.
    """
    scope = scope_of(request, tree, version)
    demand(request.user, "edit", scope.release.tree)
    view = looked_at(request, scope, name, request.GET)
    only = request.GET.get("only", "")
    policy = view.state.policy
    if policy is None or not view.toggles or (only and only not in view.names):
        raise Http404("No such bits.")
    asked = previewing.Asked(scope.release, scope.change, policy, name, view.turns(only))
    context = {
        "scope": scope,
        "view": view,
        "name": name,
        "machine_type": view.machine_type,
        "answer": previewing.answer(asked, person_of(request)),
        "here": request.get_full_path(),
        "device_address": view.place.href(),
    }
    return respond(request, "pages/consequences.html", "partials/consequences.html", context)


@login_required
@require_POST
def save(request: HttpRequest, tree: str, version: str, name: str) -> HttpResponse:
    """Save the bits in the draft that is looked at, in another open one, or in a new one."""
    scope = scope_of(request, tree, version)
    view = looked_at(request, scope, name, request.POST)
    if not view.is_editable:
        raise PermissionDenied(_("You cannot edit this here."))
    changes = list(open_changes().filter(release=scope.release)) if scope.change is None else []
    form = toggles_form(view, changes, request.POST)
    is_whole = bool(view.toggles) and not view.problems
    if is_whole and form.is_valid():
        try:
            change = _saved(request, view, form)
        except operations.Refused as error:
            form.refuse(error)
        except PolicyError as error:
            put_into(form, error)
        else:
            return _after(request, scope, change, view)
    fresh = looked_at(request, scope_of(request, tree, version), name, request.POST)
    if not fresh.toggles and not fresh.problems:
        fresh.problems.append(_("No bit is to be turned over."))
    context = context_of(request, fresh, form if fresh.toggles else None)
    return respond(request, PAGE, BODY, context, status=status_of(form) if is_whole else 422)


def _saved(request: HttpRequest, view: DeviceView, form: TogglesForm) -> ChangeRequest:
    """The change request with the bits in it; a new one is opened only where they can be made."""
    user, data = person_of(request), form.cleaned_data
    wanted = operations_of(view.name, view.turns(data["only"]), form.justifications)
    with transaction.atomic():
        change, seen = view.scope.change, data["lock_version"]
        if change is None and data["into"] == NEW_CHANGE:
            change = edits.open_change(view.scope.release, user, data["title"])
        elif change is None:
            change = visible_change(request.user, int(data["into"]))
        edited = operations.apply(change, user, seen or change.lock_version, wanted)
    meanwhile.tell(request, edited, seen or change.lock_version)
    return edited


def _after(
    request: HttpRequest, scope: Scope, change: ChangeRequest, view: DeviceView
) -> HttpResponse:
    """The device in the draft as it is now, nothing pending, the same cell selected."""
    count = len(view.toggles)
    one, more = "%(count)d bit is saved in #%(number)d.", "%(count)d bits are saved in #%(number)d."
    text = ngettext(one, more, count)
    messages.success(request, text % {"count": count, "number": change.pk})
    place = device_place(Scope(scope.release, change), view.name, request.POST)
    address = place.href(flips=())
    if not is_swap(request):
        return redirect(address)
    if scope.change is None:
        # The page's frame names the change request that is edited: it has to come anew.
        return HttpResponse(headers={"HX-Redirect": address})
    context = _fresh(request, scope, view, address)
    response = respond(request, PAGE, BODY, context)
    response["HX-Push-Url"] = address
    return response


def _fresh(request: HttpRequest, scope: Scope, view: DeviceView, address: str) -> dict[str, Any]:
    release = scope.release
    renewed = scope_of(request, release.tree.name, release.version)
    query = QueryDict(address.partition("?")[2])
    fresh = looked_at(request, renewed, view.name, query)
    return context_of(request, fresh) | {"oob_messages": True}
