"""What people and programs are told: mails and webhooks, as rows until they are sent."""

from __future__ import annotations

import uuid
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from machines.models import Tree
from policy.models.changes import ChangeRequest


class MailSettings(models.Model):
    """Which mails a person wants; without a row all of them."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="mail_settings"
    )
    turns = models.BooleanField(_("when it becomes my turn"), default=True)
    discussion = models.BooleanField(_("votes and comments where I take part"), default=True)
    outcomes = models.BooleanField(_("what I took part in is published or withdrawn"), default=True)
    reminders = models.BooleanField(_("reminders of what waits for me"), default=True)

    def __str__(self) -> str:
        return f"mail settings of {self.user}"


class Notice(models.Model):
    """A mail to somebody about a change request, written together with what it tells of.

    A worker sends it afterwards: a row is the truth of a mail as of any other work.
    """

    class Kind(models.TextChoices):
        TURN = "turns", _("your turn")
        DISCUSSION = "discussion", _("discussion")
        OUTCOME = "outcomes", _("outcome")
        REMINDER = "reminders", _("reminder")

    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices")
    change_request = models.ForeignKey(ChangeRequest, models.CASCADE, related_name="notices")
    #: Also the name of the setting (:class:`MailSettings`) that switches it off.
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    #: What must not be told twice has a name of its own.
    key = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=255)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, db_index=True)
    #: How often it could not be sent, and why the last time.
    failures = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("notice")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key"], condition=~models.Q(key=""), name="told_once")
        ]

    def __str__(self) -> str:
        return f"to {self.recipient}: {self.subject}"


class Webhook(models.Model):
    """An address that is told of what happens in a tree: see :mod:`policy.messages.webhooks`."""

    tree = models.ForeignKey(Tree, models.CASCADE, related_name="webhooks")
    url = models.URLField(_("address"), max_length=500)
    events = models.JSONField(_("events"))
    #: What its secret is derived from, with the service's own key: no secret is kept here.
    nonce = models.CharField(max_length=64, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["id"]
        verbose_name = _("webhook")

    def __str__(self) -> str:
        # Not its address, which is a secret at many receivers, while audits are everybody's.
        return f"webhook {self.pk} to {self.host}"

    @property
    def host(self) -> str:
        """Where it leads, without the path."""
        return urlsplit(self.url).hostname or ""


class Delivery(models.Model):
    """One telling of one event to one webhook: written with what it tells of, sent afterwards."""

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    #: What the receiver knows it by, however often it is sent.
    identity = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    event = models.CharField(_("event"), max_length=20)
    #: What must not be told twice has a name of its own.
    key = models.CharField(max_length=200, blank=True)
    #: The JSON, to the byte as it is signed and sent.
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    #: When it is sent next; empty for one that was taken or given up.
    due_at = models.DateTimeField(null=True, db_index=True)
    delivered_at = models.DateTimeField(null=True)
    #: What the receiver answered last, and why that was not enough.
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["webhook", "key"], condition=~models.Q(key=""), name="delivered_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"
