"""What was published, and never changes again."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from machines.models import Release, Snapshot


class Revision(models.Model):
    """A published state of a release's policy. Never changes, is never deleted."""

    release = models.ForeignKey(Release, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField(_("number"))
    #: Canonical JSON: {"policy": …, "derived": …}; the text itself, so that its digest holds.
    content = models.TextField()
    digest = models.CharField(_("SHA-256"), max_length=64)
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="revisions")
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    published_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["release", "-number"]
        verbose_name = _("revision")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["release", "number"], name="revision_number_once")
        ]

    def __str__(self) -> str:
        return f"{self.release} r{self.number}"
