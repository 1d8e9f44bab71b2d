"""Who takes part in a tree, and the keys of their programs."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from machines.models import Tree


class Role(models.TextChoices):
    """What a member of a tree may do; each role is held on its own, a person may have several."""

    VIEWER = "viewer", _("viewer")
    MAINTAINER = "maintainer", _("maintainer")
    REVIEWER = "reviewer", _("reviewer")
    RELEASE_MANAGER = "release-manager", _("release manager")
    ADMINISTRATOR = "administrator", _("administrator")


class Membership(models.Model):
    """A person's role in a tree."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    tree = models.ForeignKey(Tree, models.CASCADE, related_name="memberships")
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)

    class Meta:
        verbose_name = _("membership")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "tree", "role"], name="role_once_per_tree")
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.get_role_display()} of {self.tree}"


class Token(models.Model):
    """A person's key for programs: see :mod:`policy.tokens`, which alone writes them.

    It stands beside the roles because it says who may do what: it never allows more than they do.
    """

    class Scope(models.TextChoices):
        READ = "read", _("read what you may see")
        WRITE = "write", _("open and edit change requests, run trials")
        REVIEW = "review", _("vote and comment")
        PUBLISH = "publish", _("publish")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    scopes = models.JSONField(_("scopes"))
    #: SHA-256 of the secret, and its last characters, by which people tell tokens apart.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    ending = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(_("issued"), auto_now_add=True)
    #: The last day (UTC) on which it holds.
    expires = models.DateField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("token")

    def __str__(self) -> str:
        return f"{self.user}'s token {self.name}"

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None and self.expires >= timezone.now().date()
