"""Adding a release to a tree, before anything of it is imported."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from frontend.forms.releases import ReleaseForm
from machines.models import Release, Tree
from policy import audit
from policy.permissions import trees_where


def form_for(user: Any, *given: Any, **more: Any) -> ReleaseForm:
    """The form with the trees into which the person may import; PermissionDenied without any."""
    allowed = trees_where(user, "import")
    if not allowed:
        raise PermissionDenied(_("No tree lets you add releases."))
    trees = Tree.objects.filter(pk__in=allowed)
    return ReleaseForm(*given, trees=trees, releases=Release.objects.select_related("tree"), **more)


@transaction.atomic
def made(form: ReleaseForm, user: Any) -> Release:
    """The release of a valid form, with its audit entry."""
    release: Release = form.save()
    audit.record(user, "created release", release, after=_described(release))
    return release


def _described(release: Release) -> dict[str, str]:
    return {
        "release": release.label,
        "base": release.base.label if release.base else "",
        "stand_in": release.stand_in.label if release.stand_in else "",
    }
