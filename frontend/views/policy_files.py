"""A draft as a file: downloaded, edited elsewhere, and taken in again."""

from __future__ import annotations

import json

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from frontend import meanwhile
from frontend.access import person_of, put_into, status_of, visible_change
from frontend.forms.policy_files import PolicyFileForm
from policy import edits
from policy.errors import PolicyError
from policy.models import ChangeRequest
from policy.permissions import require


@login_required
@require_safe
def policy_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The draft as indented JSON: what the import takes."""
    change = visible_change(request.user, pk)
    text = json.dumps(change.policy.to_json(), indent=2, ensure_ascii=False) + "\n"
    response = HttpResponse(text, content_type="application/json")
    name = f"lockstep-{change.release.tree.name}-{change.release.version}-change-{change.pk}.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def policy_import(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a policy file in, whole or not at all.

    The form names the version that the file was made from; where others edited since, both are
    merged.
    """
    change = visible_change(request.user, pk)
    require(request.user, "edit", change.release.tree)
    if request.method != "POST":
        return _page(request, change, PolicyFileForm(initial={"lock_version": change.lock_version}))
    form = PolicyFileForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            edited = edits.import_policy(
                change,
                person_of(request),
                form.cleaned_data["lock_version"],
                form.cleaned_data["content"],
            )
        except PolicyError as error:
            put_into(form, error)
        else:
            meanwhile.tell(request, edited, form.cleaned_data["lock_version"])
            messages.success(request, _("The draft holds what the file says."))
            return redirect("change", change.pk)
    return _page(request, change, form)


def _page(request: HttpRequest, change: ChangeRequest, form: PolicyFileForm) -> HttpResponse:
    context = {"change": change, "form": form}
    return render(request, "pages/policy_import.html", context, status=status_of(form))
