"""Bundles, the newest first, and how they are signed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from frontend.access import person_of, status_of, visible_bundles
from frontend.filters import BundleFilter
from frontend.forms.bundles import SignatureForm
from frontend.lists.answers import answer
from frontend.lists.kinds import Column, Kind
from frontend.lists.listing import Asked, Listing
from frontend.views.bundles import done
from policy.models import SigningKey
from policy.permissions import may, require
from policy.publishing import signing


def _state(row: Any) -> str:
    if row.is_revoked:
        return "revoked"
    return "signed" if row.is_signed else "not signed"


KIND = Kind(
    name="bundles",
    title=_("Bundles"),
    columns=(
        Column("revision", _("Revision"),
               lambda row: f"{row.revision.release.label} r{row.revision.number}",
               ("revision__release__tree__name", "revision__release__sort_key",
                "revision__number"), 8),
        Column("filename", _("File"), lambda row: row.filename, ("filename",), 13, "mono"),
        Column("size", _("Size"), lambda row: row.size, ("size",), 5, "number"),
        Column("sha256", "SHA-256", lambda row: row.sha256, (), 7, "mono"),
        Column("state", _("State"), _state, (), 8),
        Column("published", _("Published"), lambda row: row.revision.published_at,
               ("revision__published_at",), 7),
        Column("published_by", _("Published by"), lambda row: row.revision.published_by.username,
               ("revision__published_by__username",), 8, shown="chosen"),
        Column("download", _("Download"), lambda row: "", (), 9),
    ),
    filters=BundleFilter,
    counted=lambda n: ngettext("%(n)d bundle", "%(n)d bundles", n) % {"n": n},
    called=lambda row: row.filename,
    search=_("File, SHA-256 or digest"),
    api="api-bundles",
    empty=_("Publishing an approved change request makes a revision, and a worker builds its "
            "bundle."),
    start=("changes", _("To the change requests")),
)  # fmt: skip


def listing(asked: Asked) -> Listing:
    """The bundles of the releases that the person sees. Raises Forbidden without a role."""
    require(asked.request.user, "view", None)
    rows = visible_bundles(asked.request.user)
    return Listing(KIND, asked, rows)


@login_required
@require_safe
def bundles(request: HttpRequest) -> HttpResponseBase:
    """Context: listing, keys, index (the newest that is signed), unsigned (one that waits), form
    and may_sign.
    """
    return _page(request, SignatureForm())


@login_required
@require_POST
def attach_to_index(request: HttpRequest, serial: int) -> HttpResponseBase:
    """Take a signature of the index that was made offline."""
    form = SignatureForm(request.POST, request.FILES)

    def do() -> None:
        signing.attach_to_index(serial, form.cleaned_data["signature"], person_of(request))

    if done(form, do):
        messages.success(request, gettext("The signature counts: this index is the published one."))
        return redirect("bundles")
    return _page(request, form)


def _page(request: HttpRequest, form: SignatureForm) -> HttpResponseBase:
    context = {
        "keys": SigningKey.objects.all(),
        "index": signing.published_index(),
        "unsigned": signing.waiting_index(),
        "form": form,
        "may_sign": may(request.user, "publish", None),
    }
    found = listing(Asked.by(request))
    return answer(request, found, "pages/bundles.html", context, status_of(form))
