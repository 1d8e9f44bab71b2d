"""Jobs in the administration site: to look at, not to write; :mod:`workers.jobs` writes them."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from workers.models import Job


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "kind", "title", "status", "attempts", "created_by", "created_at")
    list_filter = ("kind", "status")
    search_fields = ("title", "error")
    list_select_related = ("created_by",)
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False
