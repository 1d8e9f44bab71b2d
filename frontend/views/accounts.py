"""Signing in and out, and one's own password. Django's views, this site's templates."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from policy import audit

login = LoginView.as_view(template_name="pages/login.html", redirect_authenticated_user=True)
logout = LogoutView.as_view()


class _PasswordChange(PasswordChangeView):
    template_name = "pages/password_change.html"
    success_url = reverse_lazy("home")

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, _("Your password is changed."))
        answer = super().form_valid(form)
        audit.record(form.user, "change password", form.user)
        return answer


password = _PasswordChange.as_view()
