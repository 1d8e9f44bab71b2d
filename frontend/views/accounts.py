"""Signing in and out, by password or by a provider, and one's own password."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate
from django.contrib.auth import login as sign_in
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from frontend.sign_in import exchange, lockout
from frontend.sign_in.people import person_of
from frontend.sign_in.provider import Provider
from policy import audit

_NEXT = "oidc_next"


class _SignIn(LoginView):
    template_name = "pages/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"provider": settings.LOCKSTEP_OIDC}


login = _SignIn.as_view()
logout = LogoutView.as_view()


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """What django-axes answers while a lock holds. Context: until (a time), limit."""
    until = lockout.of_request(request, credentials) or timezone.now() + timedelta(seconds=1)
    context = {"until": until, "limit": settings.AXES_FAILURE_LIMIT}
    answer = render(request, "pages/locked_out.html", context, status=429)
    answer["Retry-After"] = str(max(1, round((until - timezone.now()).total_seconds())))
    return answer


# --- By a provider --------------------------------------------------------------------------------


@never_cache
@require_safe
def oidc(request: HttpRequest) -> HttpResponse:
    """Lead to the provider. A link leads here: a form may send nobody to another host."""
    provider = _provider()
    wanted = request.GET.get("next", "")
    is_own = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, request.is_secure())
    goal = wanted if is_own else resolve_url(settings.LOGIN_REDIRECT_URL)
    if request.user.is_authenticated:
        return HttpResponseRedirect(goal)
    request.session[_NEXT] = goal
    try:
        return exchange.begin(provider, request, _callback(request))
    except exchange.SignInFailed as error:
        return _failed(request, error)


@never_cache
@require_safe
def oidc_callback(request: HttpRequest) -> HttpResponse:
    """Whom the provider sends back, and what it says of them."""
    provider = _provider()
    try:
        person = person_of(provider.issuer, exchange.claims(provider, request))
    except exchange.SignInFailed as error:
        return _failed(request, error)
    goal = request.session.pop(_NEXT, resolve_url(settings.LOGIN_REDIRECT_URL))
    # ModelBackend looks at every request whether the person is still active.
    sign_in(request, person, backend="django.contrib.auth.backends.ModelBackend")
    # However busy the session is: a number of seconds would be counted anew from each write.
    request.session.set_expiry(timedelta(hours=provider.hours))
    return HttpResponseRedirect(goal)


def _provider() -> Provider:
    provider = settings.LOCKSTEP_OIDC
    if not isinstance(provider, Provider):
        raise Http404
    return provider


def _callback(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("oidc-callback"))


def _failed(request: HttpRequest, error: exchange.SignInFailed) -> HttpResponse:
    context = {"reason": str(error), "provider": settings.LOCKSTEP_OIDC}
    return render(request, "pages/sign_in_failed.html", context, status=error.status)


# --- One's own password ---------------------------------------------------------------------------


class _PasswordForm(PasswordChangeForm):
    """The old password is asked for as at the door: whoever sits at somebody else's session may
    guess it no more often."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        name = self.user.get_username()
        if authenticate(self._request, username=name, password=old) is None:
            words = self.error_messages["password_incorrect"]
            raise ValidationError(words, code="password_incorrect")
        return old


class _PasswordChange(PasswordChangeView):
    """Context: form, has_password (whoever signs in by a provider alone has none)."""

    template_name = "pages/password_change.html"
    form_class = _PasswordForm
    success_url = reverse_lazy("home")

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        person = self.request.user
        has = isinstance(person, User) and person.has_usable_password()
        return super().get_context_data(**kwargs) | {"has_password": has}

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, _("Your password is changed. Other sessions have ended."))
        answer = super().form_valid(form)
        audit.record(form.user, "change password", form.user)
        return answer


password = _PasswordChange.as_view()
