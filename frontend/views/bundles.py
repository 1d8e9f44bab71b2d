"""Bundles: what a published revision ships, to look into, to compare, and to download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from frontend.access import (
    latest_bundle,
    person_of,
    put_into,
    status_of,
    visible_bundle,
    visible_bundles,
    visible_release,
)
from frontend.downloads import bundles as downloads
from frontend.forms.bundles import RevocationForm, SignatureForm
from frontend.numbers import number_of
from frontend.questions.bundles import files_of
from frontend.shown.differences import groups_of
from policy.errors import PolicyError
from policy.models import Bundle
from policy.packing import comparing
from policy.permissions import may, require
from policy.publishing import signing

# --- Lists ----------------------------------------------------------------------------------------


@login_required
@require_safe
def release_bundles(request: HttpRequest, tree: str, version: str) -> HttpResponse:
    """A release's bundles, the newest first, and how a build fetches the latest.

    Context: release, bundles, latest (the newest that is not revoked), site.
    """
    release = visible_release(request.user, tree, version)
    listed = list(visible_bundles(request.user).filter(revision__release=release))
    context = {
        "release": release,
        "bundles": listed,
        "latest": next((item for item in listed if not item.is_revoked), None),
        "site": settings.LOCKSTEP_URL,
    }
    return render(request, "pages/release_bundles.html", context)


@login_required
@require_safe
def latest(request: HttpRequest, tree: str, version: str, what: str = "") -> HttpResponse:
    """To the newest bundle that is not revoked: its page, its bytes or its signature."""
    found = latest_bundle(request.user, visible_release(request.user, tree, version))
    name = {"": "bundle", "download": "bundle-download", "download.asc": "bundle-signature"}[what]
    response = redirect(name, tree, version, found.revision.number)
    response["Cache-Control"] = "no-store"  # tomorrow it may be another
    return response


# --- One bundle -----------------------------------------------------------------------------------


@login_required
@require_safe
def bundle(request: HttpRequest, tree: str, version: str, number: int) -> HttpResponse:
    """One bundle: its files with their sums, and how to check a download."""
    found = visible_bundle(request.user, tree, version, number)
    return _page(request, found, RevocationForm(), SignatureForm())


def _page(
    request: HttpRequest, found: Bundle, revocation: RevocationForm, signature: SignatureForm
) -> HttpResponse:
    release = found.revision.release
    others = visible_bundles(request.user).filter(revision__release=release).exclude(pk=found.pk)
    context = {
        "bundle": found,
        "folder": found.filename.removesuffix(".tar.gz"),
        "files": files_of(found),
        "signatures": found.signatures.select_related("key"),
        "others": others,
        "site": settings.LOCKSTEP_URL,
        "revocation_form": revocation,
        "signature_form": signature,
        "may_publish": may(request.user, "publish", release.tree),
    }
    status = max(status_of(revocation), status_of(signature))
    return render(request, "pages/bundle.html", context, status=status)


@login_required
@require_safe
def compare(request: HttpRequest, tree: str, version: str) -> HttpResponse:
    """Two bundles of a release against each other: ``?from=`` and ``?to=`` (revision numbers).

    Context: release, before and after, groups (decisions), files (path → how).
    """
    before, after = (_asked(request, tree, version, end) for end in ("from", "to"))
    found = comparing.compare(bytes(before.content), bytes(after.content))
    context = {
        "release": after.revision.release,
        "before": before,
        "after": after,
        "groups": groups_of(found.decisions, request.GET.get("all", "")),
        "files": found.files,
    }
    return render(request, "pages/bundles_compared.html", context)


def _asked(request: HttpRequest, tree: str, version: str, end: str) -> Bundle:
    number = number_of(request.GET.get(end, ""))
    if number is None:
        raise Http404
    return visible_bundle(request.user, tree, version, number)


@login_required
@require_POST
def revoke(request: HttpRequest, tree: str, version: str, number: int) -> HttpResponse:
    """Take a bundle out of use, for good."""
    found, form = visible_bundle(request.user, tree, version, number), RevocationForm(request.POST)

    def do() -> None:
        signing.revoke(found, person_of(request), form.cleaned_data["reason"])

    if done(form, do):
        messages.success(request, _("Revoked: nobody can download it any more."))
        return redirect("bundle", tree, version, number)
    return _page(request, found, form, SignatureForm())


@login_required
@require_POST
def attach(request: HttpRequest, tree: str, version: str, number: int) -> HttpResponse:
    """Take a signature of a bundle that was made offline."""
    found = visible_bundle(request.user, tree, version, number)
    form = SignatureForm(request.POST, request.FILES)

    def do() -> None:
        signing.attach(found, form.cleaned_data["signature"], person_of(request))

    if done(form, do):
        messages.success(request, _("The signature counts: it is published beside the bundle."))
        return redirect("bundle", tree, version, number)
    return _page(request, found, RevocationForm(), form)


def done(form: Any, do: Callable[[], None]) -> bool:
    """Do it where the form is valid; what the rules say against it goes into the form."""
    if not form.is_valid():
        return False
    try:
        do()
    except PolicyError as error:
        put_into(form, error)
        return False
    return True


# --- Files ----------------------------------------------------------------------------------------


@login_required
@require_safe
def download(request: HttpRequest, tree: str, version: str, number: int) -> HttpResponse:
    """The bundle's bytes, or 410 with the reason where it is revoked."""
    found = visible_bundle(request.user, tree, version, number)
    return _gone(found) if found.is_revoked else downloads.archive(request, found)


@login_required
@require_safe
def signature(request: HttpRequest, tree: str, version: str, number: int) -> HttpResponse:
    """The newest signature of a bundle, ``<bundle>.asc``; 410 where it is revoked."""
    found = visible_bundle(request.user, tree, version, number)
    return _gone(found) if found.is_revoked else downloads.signature(found)


@login_required
@require_safe
def checksum(request: HttpRequest, tree: str, version: str, number: int) -> HttpResponse:
    """The bundle's SHA-256, as ``sha256sum -c`` reads it."""
    return downloads.checksum(visible_bundle(request.user, tree, version, number))


@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The published index of all bundles."""
    require(request.user, "view", None)
    return downloads.index()


@login_required
@require_safe
def index_signature(request: HttpRequest) -> HttpResponse:
    """Its signature."""
    require(request.user, "view", None)
    return downloads.index_signature()


@login_required
@require_safe
def index_waiting(request: HttpRequest, serial: int) -> HttpResponse:
    """An index that waits to be signed offline."""
    require(request.user, "view", None)
    return downloads.index_of(serial)


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """The public keys that sign bundles. For everybody, as what is public is."""
    return downloads.keyring()


@require_safe
def verifier(request: HttpRequest) -> HttpResponse:
    """The verifying command as one file. For everybody, as the program is."""
    return downloads.verifier(request)


def _gone(found: Bundle) -> HttpResponse:
    text = _("%(file)s was revoked: %(reason)s") % {
        "file": found.filename,
        "reason": found.revocation.reason,
    }
    return HttpResponse(f"{text}\n", status=410, content_type="text/plain; charset=utf-8")
