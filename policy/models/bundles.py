"""Bundles as they are downloaded, their signatures, and the index of all of them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from policy.models.revisions import Revision


class Bundle(models.Model):
    """A revision's bundle, as it is downloaded."""

    revision = models.OneToOneField(Revision, models.PROTECT, related_name="bundle")
    filename = models.CharField(max_length=200)
    content = models.BinaryField()
    size = models.PositiveIntegerField()
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("bundle")

    def __str__(self) -> str:
        return self.filename

    @property
    def is_revoked(self) -> bool:
        """Whether nobody may use it any more."""
        return hasattr(self, "revocation")


class SigningKey(models.Model):
    """A public key by which bundles and their index are signed. The private one is never here."""

    #: Of the primary key, in upper case hexadecimal.
    fingerprint = models.CharField(_("fingerprint"), max_length=40, unique=True)
    owner = models.CharField(_("owner"), max_length=200)
    armored = models.TextField(_("public key"))
    added_at = models.DateTimeField(auto_now_add=True)
    #: From then on it signs nothing more; what it signed before still counts.
    retired_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("signing key")

    def __str__(self) -> str:
        return f"{self.fingerprint[-16:]} {self.owner}"


class BundleSignature(models.Model):
    """A detached signature of a bundle; another key may sign the same bundle again."""

    bundle = models.ForeignKey(Bundle, models.PROTECT, related_name="signatures")
    key = models.ForeignKey(SigningKey, models.PROTECT, related_name="signatures")
    armored = models.TextField()
    signed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bundle", "key"], name="signed_once_by_each_key")
        ]

    def __str__(self) -> str:
        return f"{self.bundle} by {self.key}"


class Revocation(models.Model):
    """A bundle that nobody may use any more. Never taken back: publish another revision."""

    bundle = models.OneToOneField(Bundle, models.PROTECT, related_name="revocation")
    reason = models.TextField(_("reason"))
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("revocation")

    def __str__(self) -> str:
        return f"{self.bundle} is revoked"


class BundleIndex(models.Model):
    """An index of all bundles as it was, or waits to be, signed. Its serial only increases."""

    serial = models.PositiveIntegerField(unique=True)
    content = models.TextField()
    expires_at = models.DateTimeField()
    key = models.ForeignKey(SigningKey, models.PROTECT, null=True, related_name="+")
    armored = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-serial"]

    def __str__(self) -> str:
        return f"index {self.serial}"
