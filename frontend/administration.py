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

#: What is kept, by what it is about; the names where a package's own say less.
_ROOMS: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    (
        "people",
        gettext_lazy("People"),
        {
            "User": gettext_lazy("people"),
            "Membership": gettext_lazy("roles"),
            "Identity": gettext_lazy("identities at a provider"),
            "Token": None,
            "AccessAttempt": gettext_lazy("failed sign-ins and locks"),
            "AccessLog": gettext_lazy("sign-ins"),
        },
    ),
    ("releases", gettext_lazy("Releases"), {"Tree": None, "Release": None, "Snapshot": None}),
    (
        "policies",
        gettext_lazy("Policies"),
        {
            "ChangeRequest": None,
            "Review": None,
            "ReviewRules": None,
            "Feature": None,
            "Revision": None,
            "Bundle": None,
            "Trial": None,
        },
    ),
    (
        "records",
        gettext_lazy("Records"),
        {"AuditEntry": gettext_lazy("audit entries"), "Notice": gettext_lazy("mails"), "Job": None},
    ),
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

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """What the person may see, room by room; what has no room stands last, by its package."""
        packages = super().get_app_list(request, app_label)
        if app_label is not None:
            return packages
        models = {row["object_name"]: row for package in packages for row in package["models"]}
        rooms = []
        for label, name, kept in _ROOMS:
            rows = [
                models[key] | {"name": words or models[key]["name"]}
                for key, words in kept.items()
                if key in models
            ]
            if rows:
                rooms.append({"app_label": label, "name": name, "models": rows})
        placed = {key for _label, _name, kept in _ROOMS for key in kept}
        rest = [
            package
            | {"models": [row for row in package["models"] if row["object_name"] not in placed]}
            for package in packages
        ]
        return rooms + [package for package in rest if package["models"]]
