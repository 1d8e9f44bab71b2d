"""The administration site's frame: who may come in, and by which doors.

It is for superusers, who keep people, trees and releases, and for administrators of a tree, who
find there the roles of their own trees and nothing else. Signing in, out and one's own password are
the house's pages: those count failures and leave records.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from policy.permissions import may

#: What is kept, by what it is about.
_ROOMS = (
    (
        gettext_lazy("People"),
        ("User", "Membership", "Identity", "Token", "AccessAttempt", "AccessLog"),
    ),
    (gettext_lazy("Releases"), ("Tree", "Release", "Snapshot")),
    (
        gettext_lazy("Policies"),
        ("ChangeRequest", "Review", "ReviewRules", "Feature", "Revision", "Bundle", "Trial"),
    ),
    (gettext_lazy("Records"), ("AuditEntry", "Notice", "Job")),
)


class Site(AdminSite):
    site_header = site_title = index_title = gettext_lazy("Administration")
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active) and may(request.user, "administer", None)

    def login(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Where somebody is led who may not come in: to sign in, unless they did."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied(_("The administration site is for administrators."))
        goal = request.GET.get("next", reverse("admin:index"))
        return redirect_to_login(goal, resolve_url("login"))

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        from frontend.views import accounts

        return accounts.logout(request)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return redirect("password")

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return super().each_context(request) | {"list_title": self._list_title(request)}

    def _list_title(self, request: HttpRequest) -> Any:
        """What the rows are called together that the page is about."""
        here = (request.resolver_match.url_name or "") if request.resolver_match else ""
        for model, model_admin in self._registry.items():
            if here.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
                return getattr(model_admin, "list_title", "")
        return ""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """What the person may see, room by room; what has no room stands last, by its package."""
        packages = super().get_app_list(request, app_label)
        if app_label is not None:
            return packages
        rows = {row["object_name"]: row for package in packages for row in package["models"]}
        for row in rows.values():
            title = getattr(self._registry[row["model"]], "list_title", "")
            row["name"] = title or row["name"]
        rooms = [
            {"app_label": names[0], "name": room, "models": [rows[n] for n in names if n in rows]}
            for room, names in _ROOMS
        ]
        placed = {name for _room, names in _ROOMS for name in names}
        for package in packages:
            rest = [row for row in package["models"] if row["object_name"] not in placed]
            rooms.append(package | {"models": rest})
        return [room for room in rooms if room["models"]]
