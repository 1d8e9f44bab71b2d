"""Imports: a release's own files come in, and what came in before."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from frontend.access import put_into, status_of
from frontend.actions import imports
from frontend.forms.imports import ImportForm
from machines.models import Snapshot
from policy.errors import PolicyError
from policy.permissions import require


@login_required
def import_new(request: HttpRequest) -> HttpResponse:
    """Upload a release's files; a job reads them."""
    require(request.user, "import", None)
    form = imports.form_for(
        request.user,
        request.POST or None,
        request.FILES or None,
        initial={name: request.GET.get(name, "") for name in ("tree", "version", "base")},
    )
    if request.method == "POST" and form.is_valid():
        try:
            job = imports.start(form, request.user)
        except PolicyError as error:
            put_into(form, error)
        except ValidationError as error:
            _show(form, error)
        else:
            return redirect("job", job.pk)
    context = {"form": form, "present": _present(form)}
    return render(request, "pages/import_new.html", context, status=status_of(form))


def _present(form: ImportForm) -> Snapshot | None:
    """What is known of the release that the form names: the new files will be compared with it."""
    rows = Snapshot.objects.filter(
        release__tree__name=form["tree"].value() or "",
        release__version=form["version"].value() or "",
        is_current=True,
    )
    return rows.select_related("release__tree").defer("content").first()


def _show(form: BaseForm, error: ValidationError) -> None:
    for field, texts in error.message_dict.items():
        for text in texts:
            form.add_error(field if field in form.fields else None, text)
