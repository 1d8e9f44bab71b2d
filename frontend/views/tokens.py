"""A person's tokens: issued, looked at, revoked."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from frontend.access import person_of, put_into, status_of
from frontend.forms.people import TokenForm
from policy import tokens
from policy.errors import PolicyError
from policy.models import Token


@login_required
@never_cache  # what issuing answers holds the secret
@require_http_methods(["GET", "HEAD", "POST"])
def own_tokens(request: HttpRequest) -> HttpResponse:
    """The person's tokens, and the form of a new one, whose secret this answer alone shows."""
    user = person_of(request)
    form = TokenForm(request.POST or None)
    issued, secret = None, ""
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            issued, secret = tokens.issue(user, data["name"], form.scopes(), data["expires"])
            form = TokenForm()
        except PolicyError as error:
            put_into(form, error)
    context = {
        "form": form,
        "issued": issued,
        "secret": secret,
        "valid": tokens.valid(user),
        "past": tokens.past(user)[:20],
    }
    return render(request, "pages/tokens.html", context, status=status_of(form))


@login_required
@require_POST
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke one of the person's tokens."""
    user = person_of(request)
    token = tokens.revoke(get_object_or_404(Token, user=user, pk=pk), user)
    messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return redirect("tokens")
