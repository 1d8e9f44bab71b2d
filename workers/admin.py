"""Jobs in the administration site: to look at, not to write; :mod:`workers.jobs` writes them."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse

from machines.admin import ReadOnlyAdmin
from workers.models import Job


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("id", "kind", "title", "status", "attempts", "created_by", "created_at")
    list_filter = ("kind", "status")
    search_fields = ("title", "error")
    list_select_related = ("created_by",)

    def view_on_site(self, obj: Job) -> str:
        return reverse("job", args=[obj.pk])
