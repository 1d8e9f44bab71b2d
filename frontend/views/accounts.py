"""Signing in and out, and one's own password. Django's views, this site's templates."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

login = LoginView.as_view(template_name="pages/login.html", redirect_authenticated_user=True)
logout = LogoutView.as_view()


class _PasswordChange(PasswordChangeView):
    template_name = "pages/password_change.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, _("Your password is changed."))
        return super().form_valid(form)


password = _PasswordChange.as_view()
