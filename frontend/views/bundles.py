"""Bundles: what a published revision ships, to look into and to download."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from frontend.access import visible_trees
from frontend.lists import page_of
from policy.models import Bundle
from policy.packing import archive


@dataclass(frozen=True, slots=True)
class BundledFile:
    """A file in a bundle: its path, size in bytes and SHA-256."""

    path: str
    size: int
    sha256: str


@login_required
@require_safe
def bundles(request: HttpRequest) -> HttpResponse:
    """Every bundle that the person may see, the newest first."""
    rows = (
        Bundle.objects.filter(revision__release__tree__in=visible_trees(request.user))
        .select_related("revision__release__tree", "revision__published_by")
        .defer("content", "revision__content")
    )
    return render(request, "pages/bundles.html", {"page": page_of(request, rows)})


@login_required
@require_safe
def bundle(request: HttpRequest, tree: str, version: str, number: int) -> HttpResponse:
    """One bundle: its files with their sums, and how to check a download."""
    found = _bundle(request, tree, version, number)
    address = request.build_absolute_uri(reverse("bundle-download", args=[tree, version, number]))
    folder = found.filename.removesuffix(".tar.gz")
    context = {
        "bundle": found,
        "folder": folder,
        "files": files_of(bytes(found.content)),
        "address": address,
    }
    return render(request, "pages/bundle.html", context)


@login_required
@require_safe
def download(request: HttpRequest, tree: str, version: str, number: int) -> HttpResponse:
    """The bundle's bytes."""
    return answer(request, tree, version, number)


def answer(request: HttpRequest, tree: str, version: str, number: int) -> HttpResponse:
    """The bundle's bytes. Its sum is its ETag: a bundle never changes."""
    found = _bundle(request, tree, version, number)
    etag = f'"{found.sha256}"'
    if etag in request.headers.get("If-None-Match", ""):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(bytes(found.content), content_type="application/gzip")
        response["Content-Disposition"] = f'attachment; filename="{found.filename}"'
    response["ETag"] = etag
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    return response


def files_of(content: bytes) -> list[BundledFile]:
    """The files in a bundle with their sums, as ``MANIFEST.sha256`` inside states them."""
    return [
        BundledFile(path, len(data), hashlib.sha256(data).hexdigest())
        for path, data in archive.unpack(content).files.items()
    ]


def _bundle(request: HttpRequest, tree: str, version: str, number: int) -> Bundle:
    found = (
        Bundle.objects.filter(
            revision__release__tree__in=visible_trees(request.user),
            revision__release__tree__name=tree,
            revision__release__version=version,
            revision__number=number,
        )
        .select_related("revision__release__tree", "revision__published_by", "revision__snapshot")
        .first()
    )
    if found is None:
        raise Http404
    return found
