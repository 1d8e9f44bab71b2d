"""The administration site: roles are given here; everything else is only looked at.

A draft, a vote, a revision and an audit entry are written by the rules of this application alone:
no form of the site may change them, or four eyes and the audit trail would mean nothing.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest

from policy import audit
from policy.models import (
    AuditEntry,
    Bundle,
    ChangeRequest,
    Feature,
    Membership,
    Review,
    Revision,
    Trial,
)


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


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "object_label")
    list_filter = ("action",)
    search_fields = ("actor", "object_label")
