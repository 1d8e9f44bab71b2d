"""The administration site: people, their roles, trees and releases; the rest is only looked at.

A draft, a vote, a revision and an audit entry are written by the rules of this application alone:
no form of the site may change them, or four eyes and the audit trail would mean nothing.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from machines.admin import ReleaseAdmin, TreeAdmin
from machines.models import Release, Tree
from policy import audit, tokens
from policy.models import (
    AuditEntry,
    Bundle,
    ChangeRequest,
    Feature,
    Membership,
    Notice,
    Review,
    ReviewRules,
    Revision,
    Token,
    Trial,
)


class AuditedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Records whatever is changed on the site. ``audited``: the fields whose values are kept."""

    audited: tuple[str, ...] = ()
    actions = None  # deleting several at once would go past the record of each

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: Any) -> None:
        stored = self.model._default_manager.filter(pk=obj.pk).first()
        obj._stored_values = self._values(stored) if stored else None  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, "add", obj, after=self._values(obj))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        before = getattr(obj, "_stored_values", None)
        self._record(request, "change", obj, before, {**self._values(obj), "told": str(message)})
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self._record(request, "delete", obj, before=self._values(obj))
        return super().log_deletions(request, queryset)

    def _values(self, obj: Model) -> dict[str, str]:
        return {name: str(getattr(obj, name)) for name in self.audited}

    def _record(
        self, request: HttpRequest, verb: str, obj: Model, before: Any = None, after: Any = None
    ) -> None:
        action = f"{verb} {obj._meta.verbose_name}"
        audit.record(request.user, action, obj, before, after)  # type: ignore[arg-type]


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Shows rows and changes none."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Who holds which role. Each change of it is recorded."""

    list_display = ("user", "tree", "role")
    list_filter = ("tree", "role")
    actions = None  # deleting several at once would go past delete_model

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: Any) -> None:
        with transaction.atomic():
            before = Membership.objects.filter(pk=obj.pk).first()
            super().save_model(request, obj, form, change)
            audit.record(
                request.user,  # type: ignore[arg-type]
                "change role" if before else "give role",
                obj,
                before=_role(before) if before else None,
                after=_role(obj),
            )

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        with transaction.atomic():
            audit.record(
                request.user,  # type: ignore[arg-type]
                "take role",
                obj,
                before=_role(obj),
            )
            super().delete_model(request, obj)


def _role(membership: Membership) -> dict[str, str]:
    return {
        "user": membership.user.get_username(),
        "tree": membership.tree.name,
        "role": membership.role,
    }


for _model in (Tree, Release, User, Group):
    admin.site.unregister(_model)


@admin.register(Tree)
class AuditedTreeAdmin(AuditedAdmin, TreeAdmin):
    audited = ("name", "title")


@admin.register(Release)
class AuditedReleaseAdmin(AuditedAdmin, ReleaseAdmin):
    audited = ("tree", "version", "base", "stand_in")


@admin.register(User)
class AuditedUserAdmin(AuditedAdmin, UserAdmin):  # type: ignore[type-arg]
    audited = ("username", "email", "is_active", "is_staff", "is_superuser")


@admin.register(Group)
class AuditedGroupAdmin(AuditedAdmin, GroupAdmin):
    audited = ("name",)


@admin.register(ChangeRequest)
class ChangeRequestAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "release", "author", "status", "updated_at")
    list_filter = ("status", "release__tree")
    exclude = ("content",)


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "digest", "published_by", "published_at")
    exclude = ("content",)


@admin.register(Bundle)
class BundleAdmin(ReadOnlyAdmin):
    list_display = ("filename", "size", "sha256")
    exclude = ("content",)


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "state", "outcome", "created_at")
    list_filter = ("state", "outcome")


@admin.register(Feature)
class FeatureAdmin(ReadOnlyAdmin):
    list_display = ("title", "slug", "device", "introduced")


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    list_display = ("change_request", "reviewer", "verdict", "created_at")


@admin.register(ReviewRules)
class ReviewRulesAdmin(ReadOnlyAdmin):
    """Changed on the tree's page, which judges again what is in review."""

    list_display = ("tree", "approvals")


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    """Mails that wait, were sent, or could not be."""

    list_display = ("subject", "recipient", "kind", "created_at", "sent_at", "failures", "error")
    list_filter = ("kind", "failures")


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    """Everybody's tokens, to revoke one that leaked."""

    list_display = ("__str__", "scopes", "ending", "expires", "last_used_at", "revoked_at")
    search_fields = ("name", "user__username", "ending")
    exclude = ("digest",)
    actions = ("revoke",)

    @admin.action(description=_("Revoke the chosen tokens"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        for token in queryset:
            tokens.revoke(token, request.user)  # type: ignore[arg-type]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "object_label")
    list_filter = ("action",)
    search_fields = ("actor", "object_label")
