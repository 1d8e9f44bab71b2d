"""What reviewers were asked, what they voted, wrote and have read."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from policy.models.changes import ChangeRequest


class ReviewRequest(models.Model):
    """Somebody was asked by name to review a change request."""

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="requested")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change_request", "reviewer"], name="asked_once")
        ]

    def __str__(self) -> str:
        return f"{self.reviewer} is asked to review {self.change_request}"


class Review(models.Model):
    """A vote or a comment on exactly the content that ``digest`` names."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", _("approved")
        REQUEST_CHANGES = "request-changes", _("requested changes")
        COMMENT = "comment", _("commented")

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="reviews")
    verdict = models.CharField(_("verdict"), max_length=20, choices=Verdict.choices)
    digest = models.CharField(max_length=64)
    text = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["created_at", "id"]
        verbose_name = _("review")

    def __str__(self) -> str:
        return f"{self.reviewer} {self.get_verdict_display()} {self.change_request}"


class Thread(models.Model):
    """A question about a change request that waits to be resolved: on one line of its difference,
    named by ``group`` and ``label``, or, where both are empty, on the whole.
    """

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="threads")
    group = models.CharField(max_length=100, blank=True)
    label = models.TextField(blank=True)
    #: The content that it was opened on, and what the line said then (a Difference's JSON).
    digest = models.CharField(max_length=64)
    line = models.JSONField(null=True)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("thread")

    def __str__(self) -> str:
        return f"thread {self.pk} of {self.change_request}"

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None


class Comment(models.Model):
    """What somebody wrote in a thread. Nobody else sees it before it is published."""

    thread = models.ForeignKey(Thread, models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    text = models.TextField(_("comment"))
    written_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    #: The vote or the comment on the whole that it was published with.
    review = models.ForeignKey(Review, models.PROTECT, null=True, related_name="comments")

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("comment")

    def __str__(self) -> str:
        return f"{self.author} in {self.thread}"


class ReviewedMark(models.Model):
    """Somebody has read what a change request does to one of its objects
    (:mod:`policy.document.objects`), as far as ``digest`` says: another edit of the object is
    another content, and yet unread.
    """

    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="marks")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    #: ChangedObject.key and .digest
    object_key = models.CharField(max_length=12)
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["change_request", "reader", "object_key"], name="marked_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reader} read {self.object_key} of {self.change_request}"
