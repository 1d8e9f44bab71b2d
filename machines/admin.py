"""Administration of trees and releases. Imported facts can be looked at, never changed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import Field, Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from machines.models import Release, Snapshot, Tree


class PlainAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Forms without windows that open for a related row; history is what the audit trail says."""

    actions: Any = None  # deleting several at once would go past the record of each
    list_per_page = 50
    list_title: Any = ""  #: What the rows are called together, where the model's plural says less.

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        query = {"object_type": self.opts.label_lower, "object_id": object_id}
        return redirect(f"{reverse('audit')}?{urlencode(query)}")


class ReadOnlyAdmin(PlainAdmin):
    """Shows rows and changes none. ``deferred``: documents, which nobody reads here."""

    deferred: tuple[str, ...] = ()

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer(*self.deferred)

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return (*(super().get_exclude(request, obj) or ()), *self.deferred)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Tree)
class TreeAdmin(PlainAdmin):
    list_display = ["name", "title"]
    search_fields = ["name", "title"]

    def get_readonly_fields(self, request: HttpRequest, obj: Tree | None = None) -> list[str]:
        return ["name"] if obj else []


@admin.register(Release)
class ReleaseAdmin(PlainAdmin):
    list_display = ["version", "tree", "base", "stand_in"]
    list_filter = ["tree"]
    list_select_related = ["tree", "base__tree", "stand_in__tree"]
    search_fields = ["tree__name", "version"]

    def get_readonly_fields(self, request: HttpRequest, obj: Release | None = None) -> list[str]:
        # Published policies, bundles and trials name a release: another name would belie them.
        return ["tree", "version"] if obj else []


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    list_display = ["number", "release", "is_current", "qemu_version", "source", "imported_at"]
    list_filter = ["release__tree", "is_current"]
    list_select_related = ["release__tree"]
    deferred = ("content", "report")
