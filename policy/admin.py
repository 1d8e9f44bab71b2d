"""The administration site: people, their roles, trees and releases; the rest is only looked at.

A draft, a vote, a revision and an audit entry are written by the rules of this application alone:
no form of the site may change them, or four eyes and the audit trail would mean nothing.

Superusers see all of it. An administrator of a tree sees who holds which role in that tree, and
gives and takes those roles. Django's own permissions and groups decide nothing and are not shown.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from machines.admin import PlainAdmin, ReadOnlyAdmin, ReleaseAdmin, TreeAdmin
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
from policy.permissions import may, trees_where


class AuditedAdmin(PlainAdmin):
    """Records whatever is changed on the site. ``audited``: the fields whose values are kept."""

    audited: tuple[str, ...] = ()

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


# --- Roles ----------------------------------------------------------------------------------------


@admin.register(Membership)
class MembershipAdmin(PlainAdmin):
    """Who holds which role, in the trees that one administers. Each change of it is recorded."""

    list_title = _("roles")
    list_display = ("user", "tree", "role")
    list_filter = ("role", ("tree", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "tree")
    search_fields = ("user__username",)
    ordering = ("user__username", "tree__name", "role")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "administer", None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "administer", None)

    def has_view_permission(self, request: HttpRequest, obj: Membership | None = None) -> bool:
        return may(request.user, "administer", obj.tree if obj else None)

    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        own = trees_where(request.user, "administer")
        return super().get_queryset(request).filter(tree__in=own)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("user", "tree") if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "tree":
            own = trees_where(request.user, "administer")
            kwargs["queryset"] = Tree.objects.filter(pk__in=own).order_by("name")
        if db_field.name == "user":
            kwargs["queryset"] = User.objects.filter(is_active=True).order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

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


# --- Trees, releases and people -------------------------------------------------------------------

for _model in (Tree, Release, User, Group):
    admin.site.unregister(_model)


@admin.register(Tree)
class AuditedTreeAdmin(AuditedAdmin, TreeAdmin):
    audited = ("name", "title")

    def has_delete_permission(self, request: HttpRequest, obj: Tree | None = None) -> bool:
        # Roles would go with it, and no record of each.
        is_used = obj is not None and (obj.releases.exists() or obj.memberships.exists())
        return super().has_delete_permission(request, obj) and not is_used


@admin.register(Release)
class AuditedReleaseAdmin(AuditedAdmin, ReleaseAdmin):
    audited = ("tree", "version", "base", "stand_in")


class _NewPersonForm(AdminUserCreationForm):  # type: ignore[type-arg]
    usable_password = forms.ChoiceField(
        label=_("Signs in by a password"),
        required=False,
        initial="true",
        choices={"true": _("yes"), "false": _("no, by the provider alone")},
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )

    def clean_username(self) -> str:
        name: str = super().clean_username()
        if name.lower() == audit.SYSTEM or AuditEntry.objects.filter(actor__iexact=name).exists():
            raise ValidationError(
                _now("The audit trail calls another by this name: take a new one.")
            )
        return name


class _PersonForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> Any:
        cleaned = super().clean() or self.cleaned_data
        stays = cleaned.get("is_active", True) and cleaned.get("is_superuser", True)
        if not stays and _is_last_superuser(self.instance.pk):
            raise ValidationError(_now("This is the only superuser: make another one first."))
        return cleaned


def _is_last_superuser(person: int | None) -> bool:
    if person is None:
        return False
    able = User.objects.filter(is_superuser=True, is_active=True)
    return able.filter(pk=person).exists() and not able.exclude(pk=person).exists()


@admin.register(User)
class AuditedUserAdmin(AuditedAdmin, UserAdmin):  # type: ignore[type-arg]
    """People. Their login name stays, as the audit trail calls them by it."""

    list_title = _("people")
    audited = ("username", "email", "is_active", "is_superuser")
    form, add_form = _PersonForm, _NewPersonForm
    list_display = ("username", "email", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser")
    readonly_fields = ("username", "sign_in", "roles", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email")}),
        (_("What they may"), {"fields": ("is_active", "is_superuser", "roles")}),
        (_("Signing in"), {"fields": ("sign_in", "last_login", "date_joined")}),
    )
    filter_horizontal = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever did anything, or holds a role, is disabled instead: names stay somebody's."""
        did = obj is not None and (
            AuditEntry.objects.filter(actor=obj.username).exists()
            or obj.memberships.exists()
            or _is_last_superuser(obj.pk)
        )
        return super().has_delete_permission(request, obj) and not did

    def view_on_site(self, obj: User) -> str:
        return reverse("person", args=[obj.username])

    @admin.display(description=_("roles"))
    def roles(self, obj: User) -> str:
        held = obj.memberships.select_related("tree").order_by("tree__name", "role")
        return ", ".join(f"{row.get_role_display()} of {row.tree.name}" for row in held) or "–"

    @admin.display(description=_("by"))
    def sign_in(self, obj: User) -> str:
        ways = [_now("password")] if obj.has_usable_password() else []
        ways += [str(row.issuer) for row in obj.identities.all()]
        return ", ".join(ways) or _now("no way")

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        answer: HttpResponse = super().user_change_password(request, id, form_url)
        return answer

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        match = request.resolver_match
        if match is None or match.url_name != "auth_user_password_change":
            return super().log_change(request, obj, message)
        action = "reset password" if obj.has_usable_password() else "take password"
        audit.record(request.user, action, obj)  # type: ignore[arg-type]
        return admin.ModelAdmin.log_change(self, request, obj, message)


# --- To look at -----------------------------------------------------------------------------------


@admin.register(ChangeRequest)
class ChangeRequestAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "release", "author", "status", "updated_at")
    list_filter = ("status", "release__tree")
    list_select_related = ("release__tree", "author")
    deferred = ("content",)

    def view_on_site(self, obj: ChangeRequest) -> str:
        return reverse("change", args=[obj.pk])


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "digest", "published_by", "published_at")
    list_select_related = ("release__tree", "published_by")
    deferred = ("content",)


@admin.register(Bundle)
class BundleAdmin(ReadOnlyAdmin):
    list_display = ("filename", "size", "sha256")
    deferred = ("content",)


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "state", "outcome", "created_at")
    list_filter = ("state", "outcome")
    list_select_related = ("source__tree", "destination__tree")
    deferred = ("inputs", "result")

    def view_on_site(self, obj: Trial) -> str:
        return reverse("trial", args=[obj.pk])


@admin.register(Feature)
class FeatureAdmin(ReadOnlyAdmin):
    list_display = ("title", "slug", "device", "introduced")
    list_select_related = ("introduced__tree",)

    def view_on_site(self, obj: Feature) -> str:
        return reverse("feature", args=[obj.slug])


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    list_display = ("change_request", "reviewer", "verdict", "created_at")
    list_select_related = ("change_request", "reviewer")


@admin.register(ReviewRules)
class ReviewRulesAdmin(ReadOnlyAdmin):
    """Changed on the tree's page, which judges again what is in review."""

    list_display = ("tree", "approvals")
    list_select_related = ("tree",)


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    """Mails that wait, were sent, or could not be."""

    list_title = _("mails")
    list_select_related = ("recipient",)
    deferred = ("text",)  # with links that unsubscribe whoever opens them
    list_display = ("subject", "recipient", "kind", "created_at", "sent_at", "failures", "error")
    list_filter = ("kind", "failures")


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    """Everybody's tokens, to revoke one that leaked."""

    list_display = ("name", "user", "scopes", "ending", "expires", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "ending")
    exclude = ("digest",)
    actions = ("revoke",)

    @admin.action(description=_("Revoke the chosen tokens"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        for token in queryset:
            tokens.revoke(token, request.user)  # type: ignore[arg-type]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_title = _("audit entries")
    list_display = ("at", "actor", "action", "object_label")
    list_filter = ("action",)
    search_fields = ("actor", "object_label")
