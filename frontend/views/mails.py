"""Which mails a person gets: their own page, and the link that stands in every mail."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from frontend.access import person_of, status_of
from frontend.forms.people import MailForm
from policy.errors import Invalid
from policy.messages import notices
from policy.models import Notice


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def mail_settings(request: HttpRequest) -> HttpResponse:
    """Which kinds of mail the person wants."""
    user = person_of(request)
    form = MailForm(request.POST or None, initial=notices.wanted_by(user))
    if request.method == "POST":
        # Nothing ticked is an answer too: an unbound form would take it for no answer.
        form = MailForm(request.POST)
        if form.is_valid():
            notices.want(user, form.cleaned_data)
            messages.success(request, _("Saved."))
            return redirect("mail-settings")
    return render(request, "pages/mail_settings.html", {"form": form}, status=status_of(form))


@csrf_exempt  # The link is signed, and mail programs send it without a page (RFC 8058).
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Switch one kind of mail off for the person whom the signed link names; nobody signs in.

    GET only asks: programs that look at links must not unsubscribe anybody.
    """
    try:
        user, kind = notices.read_token(token)
    except Invalid as error:
        raise Http404(str(error)) from error
    if request.method == "POST":
        notices.want(user, {kind: False})
    context = {"kind": Notice.Kind(kind).label, "done": not notices.wanted_by(user)[kind]}
    return render(request, "pages/unsubscribe.html", context)
