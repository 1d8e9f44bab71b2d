"""Importing a release's own files, which a job reads."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from frontend.access import trees_for
from frontend.forms.imports import ImportForm
from machines.models import Release
from policy import audit
from policy.permissions import require
from workers import jobs
from workers.models import Job


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
