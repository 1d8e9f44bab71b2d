"""Bringing a change request up to a newer revision: at once, or conflict by conflict."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from frontend.access import person_of, status_of, visible_change
from frontend.forms.merging import RebaseForm
from policy import edits, state
from policy.errors import PolicyError
from policy.models import ChangeRequest, Revision
from policy.permissions import require


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change_rebase(request: HttpRequest, pk: int) -> HttpResponse:
    """Rebase where nothing conflicts; else show base, mine and theirs with a choice each."""
    change = visible_change(request.user, pk)
    require(request.user, "edit", change.release.tree)
    newest = state.newest_revision(change.release)
    if newest is None or newest.pk == change.base_revision_id or not change.is_open:
        messages.info(request, _("There is nothing to rebase: it is closed, or up to date."))
        return redirect("change", change.pk)
    if request.method != "POST":
        return _page(request, change, _form_of(change, newest), newest)
    form = RebaseForm(request.POST, conflicts=edits.rebase_conflicts(change))
    if form.conflicts and not form.has_choices:
        return redirect("change-rebase", change.pk)
    if form.is_valid() and _rebased(request, change, form):
        messages.success(request, _("It follows %(revision)s now.") % {"revision": newest})
        return redirect("change", change.pk)
    if status_of(form) == 409:
        # What was chosen from is not what is there any more.
        change.refresh_from_db()
        sent = request.POST.copy()
        sent["lock_version"], sent["revision"] = str(change.lock_version), str(newest.number)
        again = RebaseForm(sent, conflicts=edits.rebase_conflicts(change))
        return _page(request, change, again, newest, form)
    return _page(request, change, form, newest, form)


def _form_of(change: ChangeRequest, newest: Revision) -> RebaseForm:
    initial = {"lock_version": change.lock_version, "revision": newest.number}
    return RebaseForm(initial=initial, conflicts=edits.rebase_conflicts(change))


def _rebased(request: HttpRequest, change: ChangeRequest, form: RebaseForm) -> bool:
    data = form.cleaned_data
    try:
        edits.rebase(
            change, person_of(request), data["lock_version"], form.choices(), data["revision"]
        )
    except PolicyError as error:
        form.put(error)
        return False
    return True


def _page(
    request: HttpRequest,
    change: ChangeRequest,
    form: RebaseForm,
    newest: Revision,
    sent: RebaseForm | None = None,
) -> HttpResponse:
    """``form`` is shown, with what was wrong with the one that was ``sent``."""
    context = {"change": change, "newest": newest, "form": form, "sent": sent}
    status = status_of(sent) if sent is not None else 200
    return render(request, "pages/change_rebase.html", context, status=status)
