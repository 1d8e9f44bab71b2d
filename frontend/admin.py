"""Sign-ins on the administration site: locks that can be lifted, and whose a provider's word is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from frontend.models import Identity
from frontend.sign_in import lockout
from machines.admin import ReadOnlyAdmin
from policy.admin import AuditedAdmin


@admin.register(AccessAttempt)
class FailedSignInAdmin(ReadOnlyAdmin):
    """Failures that still count. What was typed is not shown."""

    list_title = _("failed sign-ins and locks")
    list_display = (
        "username",
        "ip_address",
        "failures_since_start",
        "attempt_time",
        "locked_until",
    )
    search_fields = ("username", "ip_address")
    fields = ("username", "ip_address", "user_agent", "failures_since_start", "attempt_time",
              "locked_until")  # fmt: skip
    actions = ("lift",)

    @admin.display(description=_("locked until"))
    def locked_until(self, row: AccessAttempt) -> datetime | None:
        rows = AccessAttempt.objects.filter(username=row.username, ip_address=row.ip_address)
        return lockout.until(rows, settings.AXES_FAILURE_LIMIT)

    @admin.action(description=_("Forget the failures and lift the lock"))
    def lift(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        lifted = lockout.lift(queryset, request.user)  # type: ignore[arg-type]
        text = ngettext("%(n)d name may try again.", "%(n)d names may try again.", lifted)
        self.message_user(request, text % {"n": lifted}, messages.SUCCESS)


@admin.register(AccessLog)
class SignInAdmin(ReadOnlyAdmin):
    list_title = _("sign-ins")
    list_display = ("attempt_time", "username", "ip_address", "logout_time")
    search_fields = ("username", "ip_address")
    fields = ("username", "ip_address", "user_agent", "attempt_time", "logout_time")


@admin.register(Identity)
class IdentityAdmin(AuditedAdmin):
    """Links a person who is here already to how a provider calls them, or takes that back."""

    list_title = _("identities at a provider")
    list_display = ("user", "subject", "issuer", "created_at")
    search_fields = ("user__username", "subject")
    list_select_related = ("user",)
    audited = ("user", "issuer", "subject")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        provider = settings.LOCKSTEP_OIDC
        return {"issuer": provider.issuer} if provider else {}

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
