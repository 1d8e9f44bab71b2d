"""Administration of trees and releases. Imported facts can be looked at, never changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from machines.models import Release, Snapshot, Tree


@admin.register(Tree)
class TreeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "title"]
    search_fields = ["name", "title"]

    def get_readonly_fields(self, request: HttpRequest, obj: Tree | None = None) -> list[str]:
        return ["name"] if obj else []


@admin.register(Release)
class ReleaseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["tree", "version", "base", "stand_in"]
    list_display_links = ["version"]
    list_filter = ["tree"]
    list_select_related = ["tree", "base__tree", "stand_in__tree"]
    search_fields = ["tree__name", "version"]
    autocomplete_fields = ["tree", "base", "stand_in"]

    def get_readonly_fields(self, request: HttpRequest, obj: Release | None = None) -> list[str]:
        # Published policies, bundles and trials name a release: another name would belie them.
        return ["tree", "version"] if obj else []


@admin.register(Snapshot)
class SnapshotAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["release", "number", "is_current", "qemu_version", "source", "imported_at"]
    list_display_links = ["number"]
    list_filter = ["release__tree", "is_current"]
    list_select_related = ["release__tree"]
    exclude = ["content"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("content", "report")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
