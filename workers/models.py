"""Jobs: what a worker has to do, as rows. The row is the truth, a message carries only its id."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Job(models.Model):
    """One piece of work that takes longer than a request may."""

    class Kind(models.TextChoices):
        IMPORT = "import", _("import")
        TRIALS = "trials", _("trial migrations")
        SEARCH = "search", _("search for mitigations")
        BUNDLE = "bundle", _("bundle")
        SIGN = "sign", _("signatures")
        MAILS = "mails", _("mails")
        DELIVER = "deliver", _("webhooks")
        STREAM = "stream", _("reading of a stream")
        RECORD = "record", _("stream of a trial")
        VERDICT = "verdict", _("verdict on a stream")
        PREVIEW = "preview", _("preview of an edit")

    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")  # the input is at fault: trying again would not help
        QUARANTINED = "quarantined", _("given up")  # it broke the worker or ran into an error
        CANCELLED = "cancelled", _("cancelled")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    #: What to do, in the words of the kind's runner (workers.tasks).
    payload = models.JSONField(default=dict)
    title = models.CharField(_("title"), max_length=255)
    #: Two requests for the same work while it is open share one job.
    dedup_key = models.CharField(max_length=100, blank=True)
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.QUEUED, db_index=True
    )
    attempts = models.PositiveIntegerField(default=0)
    #: Names the one attempt that may write; a worker that lost its lease writes no more.
    claim = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True)
    #: When a message was last sent; a queued row without a recent one is sent again.
    sent_at = models.DateTimeField(null=True)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    progress_text = models.CharField(max_length=255, blank=True)
    cancel_requested = models.BooleanField(default=False)
    log = models.TextField(blank=True)
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="jobs"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("job")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "dedup_key"],
                condition=~models.Q(dedup_key="") & models.Q(status__in=["queued", "running"]),
                name="one_open_job_per_work",
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.status in {self.Status.QUEUED, self.Status.RUNNING}


class Upload(models.Model):
    """A file that waits for its import job; removed when the job ends."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=255)
    content = models.BinaryField()

    def __str__(self) -> str:
        return self.name
