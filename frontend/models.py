"""What the service remembers of its callers: neither a fact of QEMU nor a decision about it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


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
