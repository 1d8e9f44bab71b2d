"""What the service remembers of its callers: neither a fact of QEMU nor a decision about it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class RememberedAnswer(models.Model):
    """The answer to a call that named an ``Idempotency-Key``: see :mod:`frontend.api.repeating`.

    The row is written in the transaction of what the call does: both are there, or neither.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    #: SHA-256 of method, address and body: what the key was used for.
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    headers = models.JSONField(default=dict)
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "key"], name="key_once_per_person")
        ]

    def __str__(self) -> str:
        return f"answer to {self.user}'s {self.key}"


class ListChoice(models.Model):
    """The columns of a list as a person wants them, in order, and the rows of a page."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    #: The list's name: see :class:`frontend.lists.kinds.Kind`.
    kind = models.CharField(max_length=40)
    columns = models.JSONField()
    size = models.PositiveSmallIntegerField(default=50)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "kind"], name="one_choice_per_list")
        ]

    def __str__(self) -> str:
        return f"{self.user}'s {self.kind}"


class SavedFilter(models.Model):
    """A list's filter that a person saved under a name; the list may open with one of them."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=40)
    name = models.CharField(max_length=80)
    #: As it stands in an address, without the question mark.
    query = models.TextField()
    is_default = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "kind", "name"], name="filter_name_once"),
            models.UniqueConstraint(
                fields=["user", "kind"],
                condition=models.Q(is_default=True),
                name="one_default_filter",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}'s {self.kind}: {self.name}"


class Preferences(models.Model):
    """How a person wants the pages to be; without a row as the defaults say."""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("as the system has it")
        LIGHT = "light", _("light")
        DARK = "dark", _("dark")

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    theme = models.CharField(max_length=6, choices=Theme.choices, default=Theme.SYSTEM)
    #: Whether keys without Ctrl do anything (WCAG 2.1.4 asks that they can be switched off).
    keys = models.BooleanField(default=True)
    #: The name of the zone in which times are shown.
    time_zone = models.CharField(max_length=64, default="UTC")

    def __str__(self) -> str:
        return f"{self.user}'s preferences"


class Identity(models.Model):
    """By which words an OpenID Connect provider names a person: see :mod:`frontend.sign_in`."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="identities",
        verbose_name=_("person"),
    )
    issuer = models.CharField(_("issuer"), max_length=255)
    #: The claim ``sub``: what the issuer never gives to anybody else.
    subject = models.CharField(_("subject"), max_length=255)
    created_at = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="subject_is_one_person")
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.subject} of {self.issuer}"
