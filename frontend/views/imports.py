"""Imports: a release's own files come in, and what came in before."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from frontend.access import put_into, status_of, trees_for
from frontend.forms.imports import ImportForm
from machines.models import Release, Snapshot
from policy import audit
from policy.errors import PolicyError
from policy.permissions import require
from workers import jobs
from workers.models import Job


@login_required
def import_new(request: HttpRequest) -> HttpResponse:
    """Upload a release's files; a job reads them."""
    require(request.user, "import", None)
    form = form_for(
        request.user,
        request.POST or None,
        request.FILES or None,
        initial={name: request.GET.get(name, "") for name in ("tree", "version", "base")},
    )
    if request.method == "POST" and form.is_valid():
        try:
            job = start(form, request.user)
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


def form_for(user: Any, *given: Any, **more: Any) -> ImportForm:
    """The form with the trees into which the person may import."""
    trees = trees_for(user, "import")
    return ImportForm(*given, trees=trees, releases=Release.objects.select_related("tree"), **more)


@transaction.atomic
def start(form: ImportForm, user: Any) -> Job:
    """The job that reads the files of a valid form; makes the release where it is new.

    Raises Forbidden, and ValidationError where the release cannot be.
    """
    data = form.cleaned_data
    require(user, "import", data["tree"])
    release = Release.objects.filter(tree=data["tree"], version=data["version"]).first()
    if release is None:
        release = Release(tree=data["tree"], version=data["version"], base=data["base"])
        release.full_clean()
        release.save()
        audit.record(
            user,
            "created release",
            release,
            after={"base": release.base.label if release.base else ""},
        )
    uploads = [(item.name, item.read()) for item in data["uploads"]]
    names = ", ".join(name for name, _content in uploads)
    return jobs.enqueue_import(release, uploads, user, _("uploaded: %s") % names[:200])


def _show(form: BaseForm, error: ValidationError) -> None:
    for field, texts in error.message_dict.items():
        for text in texts:
            form.add_error(field if field in form.fields else None, text)
