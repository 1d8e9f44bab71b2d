"""How a person wants the pages to be: the first page of their settings."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from frontend.access import person_of, status_of
from frontend.forms.people import DisplayForm
from frontend.models import Preferences
from frontend.preferences import prefer, preferences_of


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def display(request: HttpRequest) -> HttpResponse:
    """Theme, keys, time zone. Context: form."""
    user = person_of(request)
    kept = preferences_of(user)
    initial = {"theme": kept.theme, "keys": kept.keys, "time_zone": kept.time_zone}
    form = DisplayForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        prefer(user, form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("settings")
    return render(request, "pages/display.html", {"form": form}, status=status_of(form))


@login_required
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """The button that switches the theme keeps the choice; the page has switched already."""
    wanted = request.POST.get("theme", "")
    if wanted not in Preferences.Theme.values:
        return HttpResponse(status=422)
    prefer(person_of(request), {"theme": wanted})
    return HttpResponse(status=204)
