"""What a person keeps of a list: its columns, and filters under a name."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from frontend.access import person_of
from frontend.forms.lists import FilterNameForm, SizeForm
from frontend.lists import choices
from frontend.lists.kinds import Kind
from frontend.models import SavedFilter
from frontend.views.lists import KINDS
from policy.errors import PolicyError


def kind_of(name: str) -> Kind:
    """The kind of list of that name, or 404."""
    if name not in KINDS:
        raise Http404
    return KINDS[name]


def back_from(request: HttpRequest) -> str:
    """The address of this site to which a form about a list leads back."""
    back = request.POST.get("back", "")
    is_own = back.startswith("/") and url_has_allowed_host_and_scheme(back, None)
    return back if is_own else "/"


@login_required
@require_POST
def columns(request: HttpRequest, name: str) -> HttpResponse:
    """Keep the columns that are ticked, in their order; ``up`` or ``down`` moves one by a place."""
    kind, user, back = kind_of(name), person_of(request), back_from(request)
    if request.POST.get("do") == "forget":
        choices.forget(user, kind)
        return redirect(back)
    moved = request.POST.get("up") or request.POST.get("down") or ""
    wanted = _moved(request.POST.getlist("columns"), moved, -1 if "up" in request.POST else 1)
    form = SizeForm(request.POST)
    size = form.cleaned_data["size"] if form.is_valid() else choices.STANDARD_SIZE
    try:
        choices.choose(user, kind, wanted, size)
    except PolicyError as error:
        messages.error(request, str(error))
    # The browser opens what holds the part that an address names: the menu stays open.
    return redirect(f"{back}#column-{moved}" if moved else back)


def _moved(names: list[str], name: str, step: int) -> list[str]:
    if name not in names:
        return names
    rest = [item for item in names if item != name]
    rest.insert(max(0, names.index(name) + step), name)
    return rest


@login_required
@require_POST
def saved_filters(request: HttpRequest, name: str) -> HttpResponse:
    """Save the present filter under a name."""
    kind, form = kind_of(name), FilterNameForm(request.POST)
    query, back = request.POST.get("query", ""), back_from(request)
    if not form.is_valid():
        return _refused(request, form, f"{back}?{query}")
    try:
        saved = choices.save_filter(person_of(request), kind, form.cleaned_data["name"], query)
    except PolicyError as error:
        messages.error(request, str(error))
        return redirect(f"{back}?{query}")
    if form.cleaned_data["default"]:
        choices.make_default(saved)
    messages.success(request, _("The filter is saved as “%(name)s”.") % {"name": saved.name})
    return redirect(f"{back}?{saved.query}")


@login_required
@require_POST
def saved_filter(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Rename or delete a saved filter, or open the list with it. Others' do not exist (404)."""
    kind, back = kind_of(name), back_from(request)
    saved = get_object_or_404(SavedFilter, pk=pk, user=person_of(request), kind=kind.name)
    does = {"delete": _delete, "default": _default, "not-default": _not_default, "rename": _rename}
    do = does.get(request.POST.get("do", ""))
    if do is None:
        raise Http404
    do(request, saved)
    return redirect(back)


def _delete(request: HttpRequest, saved: SavedFilter) -> None:
    saved.delete()
    messages.success(request, _("“%(name)s” is deleted.") % {"name": saved.name})


def _default(request: HttpRequest, saved: SavedFilter) -> None:
    choices.make_default(saved)
    messages.success(request, _("The list opens with “%(name)s” now.") % {"name": saved.name})


def _not_default(request: HttpRequest, saved: SavedFilter) -> None:
    choices.none_as_default(saved.user, saved.kind)
    messages.success(request, _("The list opens as it does for everybody."))


def _rename(request: HttpRequest, saved: SavedFilter) -> None:
    form = FilterNameForm(request.POST)
    if not form.is_valid():
        _refused(request, form, "")
        return
    try:
        choices.rename(saved, form.cleaned_data["name"])
    except PolicyError as error:
        messages.error(request, str(error))


def _refused(request: HttpRequest, form: Any, back: str) -> HttpResponse:
    messages.error(
        request, " ".join(problem for list_ in form.errors.values() for problem in list_)
    )
    return redirect(back or "/")
