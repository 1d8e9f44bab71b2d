"""Change requests: an edit of a release's policy on its way, and every state it has had.

A change request's ``content`` is its draft. Only :mod:`policy.review.workflow` changes its status,
only :mod:`policy.drafts` its content.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from machines.models import Release
from policy.document import Policy, remembered
from policy.models.features import Feature
from policy.models.revisions import Revision


class ChangeRequest(models.Model):
    """An edit of a release's policy on its way through review."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        SUBMITTED = "submitted", _("in review")
        CHANGES_REQUESTED = "changes-requested", _("changes requested")
        APPROVED = "approved", _("approved")
        PUBLISHED = "published", _("published")
        WITHDRAWN = "withdrawn", _("withdrawn")

    class Standing(models.TextChoices):
        PASSED = "passed", _("as promised or waived")
        OPEN = "open", _("not all run")
        BROKEN = "broken", _("in the way")

    release = models.ForeignKey(Release, models.PROTECT, related_name="change_requests")
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="change_requests"
    )
    #: Everyone who edited the content: none of them may approve it, nor may the author.
    editors = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", editable=False)
    status = models.CharField(
        _("status"), max_length=20, choices=Status.choices, default=Status.DRAFT, editable=False
    )
    content = models.JSONField()
    #: Digest of ``content``: what an approval names.
    digest = models.CharField(max_length=64, editable=False)
    base_revision = models.ForeignKey(Revision, models.PROTECT, null=True, related_name="+")
    #: Raised by every edit; an edit that names an older one lost the race.
    lock_version = models.PositiveIntegerField(default=1, editable=False)
    revision = models.OneToOneField(
        Revision, models.PROTECT, null=True, related_name="change_request", editable=False
    )
    #: The older revision whose policy this change brings back.
    reverts_to = models.ForeignKey(
        Revision, models.PROTECT, null=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    submitted_at = models.DateTimeField(null=True, editable=False)
    #: Since when it is in its status, and since when its content is what it is.
    status_since = models.DateTimeField(default=timezone.now, editable=False)
    edited_at = models.DateTimeField(default=timezone.now, editable=False)
    #: How trials and findings of the content ``trials_digest`` stood when last looked at.
    trials_standing = models.CharField(
        max_length=10, choices=Standing.choices, blank=True, editable=False
    )
    trials_digest = models.CharField(max_length=64, blank=True, editable=False)
    #: What else that rested on (:func:`policy.review.standing.surroundings`).
    surroundings = models.CharField(max_length=64, blank=True, editable=False)

    OPEN: ClassVar[tuple[str, ...]] = (
        Status.DRAFT,
        Status.SUBMITTED,
        Status.CHANGES_REQUESTED,
        Status.APPROVED,
    )
    _read: tuple[object, Policy] | None = None

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("change request")

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"

    @property
    def policy(self) -> Policy:
        """The draft, as the rules read it; read once for each ``content``."""
        if self._read is None or self._read[0] is not self.content:
            self._read = (self.content, remembered(self.content))
        return self._read[1]

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def is_editable(self) -> bool:
        return self.is_open


class Seed(models.Model):
    """What a change request of a release without a revision started from. Never changes.

    A row of its own, as lists of change requests have no use for it.
    """

    change_request = models.OneToOneField(ChangeRequest, models.CASCADE, related_name="seed")
    #: The policy document as it was made from the release's catalogue of that day.
    content = models.JSONField()

    def __str__(self) -> str:
        return f"seed of {self.change_request}"


class Document(models.Model):
    """A policy document under its digest: what an approval names can always be looked at again.

    Never changes. Several states of several change requests may share one.
    """

    digest = models.CharField(_("SHA-256"), max_length=64, primary_key=True)
    #: zlib of the canonical JSON; policy.history reads and writes it.
    content = models.BinaryField()

    def __str__(self) -> str:
        return self.digest[:12]


class DraftState(models.Model):
    """A content that a change request once had, and who made it so. Never changes."""

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="states")
    #: The ``lock_version`` at which the content became this.
    version = models.PositiveIntegerField(_("version"))
    document = models.ForeignKey(Document, models.PROTECT, related_name="+")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    action = models.CharField(_("action"), max_length=60)
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["change_request", "version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change_request", "version"], name="state_once")
        ]

    def __str__(self) -> str:
        return f"{self.change_request} v{self.version}"


class UnmergedEdit(models.Model):
    """An edit of an older version of a draft that waits for its author to choose what stays, where
    others have changed the same since. Nothing of it is in the draft yet.
    """

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="unmerged")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    #: The version of the draft that the edit was made of.
    seen_version = models.PositiveIntegerField(_("version"))
    #: The draft as the edit would have left it.
    document = models.ForeignKey(Document, models.PROTECT, related_name="+")
    action = models.CharField(_("action"), max_length=60)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["change_request", "actor", "seen_version", "document"],
                name="unmerged_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.change_request} v{self.seen_version}"


class BegunBackport(models.Model):
    """A backport that somebody prepares in a change request: no part of it yet."""

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="begun")
    feature = models.ForeignKey(Feature, models.CASCADE, related_name="+")
    commit = models.CharField(_("upstream commit"), max_length=200, blank=True)
    tracker = models.CharField(_("tracker"), max_length=500, blank=True)
    justification = models.TextField(_("justification"), blank=True)
    begun_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change_request", "feature"], name="begun_once")
        ]

    def __str__(self) -> str:
        return f"backport of {self.feature} begun in {self.change_request}"
