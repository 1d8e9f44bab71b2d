"""What is done about a finding of a change request: its proposal is made, or it is waived."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from frontend import meanwhile
from frontend.access import person_of, put_into, visible_change
from frontend.forms.changes import FindingWaiverForm, ProposalForm
from frontend.views.changes import change_page
from policy import edits
from policy.errors import PolicyError
from policy.models import ChangeRequest


@login_required
@require_POST
def finding_apply(request: HttpRequest, pk: int, identity: str) -> HttpResponse:
    """Make the change that the finding proposes; it is an edit like any other."""
    change = visible_change(request.user, pk)
    form = ProposalForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            edited = edits.apply_proposal(
                change, person_of(request), data["lock_version"], identity, data["number"]
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            meanwhile.tell(request, edited, data["lock_version"])
            messages.success(request, _("Done: see the difference."))
            return redirect(f"{reverse('change', args=[change.pk])}?tab=changes")
    return change_page(request, change, tab="findings", edit_form=form)


@login_required
@require_POST
def finding_waive(request: HttpRequest, pk: int, identity: str) -> HttpResponse:
    """Accept the finding for a while."""
    change = visible_change(request.user, pk)
    form = FindingWaiverForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        source, _sep, destination = data["direction"].partition("|")
        try:
            edited = edits.waive_finding(
                change,
                person_of(request),
                data["lock_version"],
                identity,
                source,
                destination,
                data["reason"],
                data["expires"],
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            meanwhile.tell(request, edited, data["lock_version"])
            return _back(change, identity)
    return change_page(request, change, tab="findings", asked=identity, finding_form=form)


def _back(change: ChangeRequest, identity: str) -> HttpResponse:
    page = reverse("change", args=[change.pk])
    return redirect(f"{page}?tab=findings&finding={identity}#finding-{identity}")
