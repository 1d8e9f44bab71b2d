"""An edit that met another's on the same thing: its author chooses what stays, or gives it up."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from frontend.access import person_of, status_of, visible_change
from frontend.forms.merging import ConflictsForm
from policy.drafts import Settled
from policy.edits import unmerged
from policy.edits.unmerged import Sides
from policy.errors import MergeNeeded, PolicyError
from policy.models import UnmergedEdit
from policy.permissions import require


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change_merge(request: HttpRequest, pk: int, edit: int) -> HttpResponse:
    """What both changed, side by side, with a choice each."""
    waiting = _waiting(request, pk, edit)
    sides = unmerged.sides(waiting)
    if request.method != "POST":
        initial = {"lock_version": sides.version}
        return _page(
            request, waiting, sides, ConflictsForm(None, conflicts=sides.conflicts, initial=initial)
        )
    require(request.user, "edit", waiting.change_request.release.tree)
    form = ConflictsForm(request.POST, conflicts=sides.conflicts)
    if form.is_valid():
        settled = Settled(form.cleaned_data["lock_version"], form.choices())
        try:
            unmerged.save(waiting, person_of(request), settled)
        except MergeNeeded:
            return _again(request, waiting)
        except PolicyError as error:
            form.put(error)
        else:
            messages.success(request, _("Your edit is merged: the draft holds what you chose."))
            return redirect("change", pk)
    elif request.POST.get("lock_version") != str(sides.version):
        return _again(request, waiting)
    return _page(request, waiting, sides, form)


def _waiting(request: HttpRequest, pk: int, edit: int) -> UnmergedEdit:
    """The person's own edit; others' do not exist for them (404)."""
    change = visible_change(request.user, pk)
    found = unmerged.waiting(change, request.user).filter(pk=edit).first()
    if found is None:
        raise Http404
    found.change_request = change
    return found


def _again(request: HttpRequest, waiting: UnmergedEdit) -> HttpResponse:
    """Ask once more: others were faster than the choices. What was typed and chosen stays, where
    it is still about the same."""
    sides = unmerged.sides(waiting)
    data = request.POST.copy()
    data["lock_version"] = str(sides.version)
    form = ConflictsForm(data, conflicts=sides.conflicts)
    form.add_error(None, _("Others edited once more while you were choosing: look at it again."))
    form.http_status = 409  # type: ignore[attr-defined]
    return _page(request, waiting, sides, form)


def _page(
    request: HttpRequest, waiting: UnmergedEdit, sides: Sides, form: ConflictsForm
) -> HttpResponse:
    people = dict.fromkeys(state.actor.get_username() for state in sides.between)
    context = {
        "change": waiting.change_request,
        "edit": waiting,
        "sides": sides,
        "people": list(people),
        "form": form,
    }
    return render(request, "pages/change_merge.html", context, status=status_of(form))


@login_required
@require_POST
def merge_drop(request: HttpRequest, pk: int, edit: int) -> HttpResponse:
    """Give the edit up; what others made of the draft stays."""
    unmerged.drop(_waiting(request, pk, edit))
    messages.success(request, _("Your edit is dropped. The draft is as others left it."))
    return redirect("change", pk)
