"""A file of the bundle that a change request would make: how it differs from the present one."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from frontend.access import visible_change
from frontend.swaps import is_swap
from frontend.views.change_tabs.bundle import shown_file
from machines.catalogue import NoCatalogue
from policy.bundle import BundleError
from policy.errors import PolicyError
from policy.exporters import ExportError


@login_required
@require_safe
def changed_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The difference of the file that ``?file=`` names, for a swap; else to its place in the tab.

    Context: file (frontend.views.change_tabs.bundle.ChangedFile).
    """
    change = visible_change(request.user, pk)
    path = request.GET.get("file", "")
    if not is_swap(request):
        query = urlencode({"tab": "bundle", "file": path})
        return redirect(f"{reverse('change', args=[change.pk])}?{query}")
    try:
        found = shown_file(change, path)
    except (NoCatalogue, PolicyError, ExportError, BundleError) as error:
        raise Http404 from error
    if found is None:
        raise Http404
    return render(request, "partials/change_bundle_file.html", {"file": found})
