"""Parts of the bundle that a change request would make: a folder's changed files, and how one of
them differs from the present one.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from frontend.access import visible_change
from frontend.questions.bundles import shown_file, shown_folder
from frontend.swaps import is_swap
from machines.catalogue import NoCatalogue
from policy.errors import PolicyError
from policy.exporters import ExportError
from policy.publishing.bundle import BundleError


@login_required
@require_safe
def changed_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The difference of the file that ``?file=`` names, or the files of ``?folder=``, for a swap;
    else to its place in the tab.

    Context: file (frontend.questions.bundles.ChangedFile), or change and files.
    """
    change = visible_change(request.user, pk)
    what = "folder" if "folder" in request.GET else "file"
    name = request.GET.get(what, "")
    if not is_swap(request):
        query = urlencode({"tab": "bundle", what: name})
        return redirect(f"{reverse('change', args=[change.pk])}?{query}")
    try:
        if what == "folder":
            context: dict[str, Any] = {"change": change, "files": shown_folder(change, name)}
        else:
            context = {"file": shown_file(change, name)}
    except (NoCatalogue, PolicyError, ExportError, BundleError) as error:
        raise Http404 from error
    if not context.get("file", context.get("files")):
        raise Http404
    template = "change_bundle_files" if what == "folder" else "change_bundle_file"
    return render(request, f"partials/{template}.html", context)
