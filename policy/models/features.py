"""The library of features, from which backports are made."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from machines.models import Release


class Feature(models.Model):
    """A feature in the library, from which backports are made. ``spec`` is a FeatureSpec's JSON."""

    slug = models.CharField(
        _("identifier"),
        max_length=100,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]*$", _("Lower-case letters, digits, '-'."))],
    )
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    device = models.CharField(_("device type"), max_length=255)
    carriers = models.JSONField(_("carried by"), default=list, blank=True)
    gate = models.JSONField(_("gated by"), null=True, blank=True)
    introduced = models.ForeignKey(
        Release, models.PROTECT, related_name="features", verbose_name=_("introduced in")
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["device", "slug"]
        verbose_name = _("feature")

    def __str__(self) -> str:
        return self.title
