"""Trial migrations and verdicts on uploaded streams: what was asked, and the answer."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from machines.models import Release, Stream
from policy.models.changes import ChangeRequest


class Trial(models.Model):
    """A trial migration, named by everything that its outcome depends on.

    ``key`` is the digest of ``inputs``; the same inputs are never tried twice, and a change
    request finds its trials by the keys that its rules require. What was expected is not part of
    a trial: it stands in the policy that reads the outcome.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("not run")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("could not run")

    key = models.CharField(max_length=64, unique=True)
    #: The trial that this one repeats with other properties, and who asked for it: no policy
    #: requires it. Both empty for a required trial.
    varies = models.ForeignKey("self", models.CASCADE, null=True, related_name="variants")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    source = models.ForeignKey(Release, models.PROTECT, related_name="+")
    destination = models.ForeignKey(Release, models.PROTECT, related_name="+")
    machine_type = models.CharField(_("machine type"), max_length=255)
    #: Everything the emulator needs: see policy.trials.TrialInputs.
    inputs = models.JSONField()
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.QUEUED, db_index=True
    )
    outcome = models.CharField(_("outcome"), max_length=10, blank=True)
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("trial")

    def __str__(self) -> str:
        return f"{self.source} → {self.destination}, {self.machine_type}"


class PublishedStanding(models.Model):
    """How the trials that a release's newest revision needs stood when last looked at: what lists
    show, where nothing can be calculated anew. See policy.trials.published.
    """

    release = models.OneToOneField(Release, models.CASCADE, related_name="published_standing")
    #: Names all that it rests on.
    seen = models.CharField(max_length=64)
    #: Trials that ended otherwise than promised, or could not run, and are not waived.
    failing = models.PositiveIntegerField(default=0)
    #: Trials whose inputs changed since they were run, and which nobody has run since.
    stale = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.release}: {self.failing} failing, {self.stale} stale"


class Alteration(models.Model):
    """Which content of an open change request its :class:`AlteredTrial` rows were derived from."""

    change_request = models.OneToOneField(ChangeRequest, models.CASCADE, related_name="alteration")
    digest = models.CharField(max_length=64)
    #: What else they rest on (:func:`policy.review.standing.surroundings`).
    surroundings = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"alteration by {self.change_request}"


class AlteredTrial(models.Model):
    """A required trial that a draft makes another one: an index of the matrix.

    ``key`` is the trial's with the draft, ``was_key`` as published; empty where it is not required,
    or cannot be put together. See policy.trials.altered.
    """

    alteration = models.ForeignKey(Alteration, models.CASCADE, related_name="trials")
    source = models.CharField(max_length=120)
    destination = models.CharField(max_length=120)
    machine_type = models.CharField(_("machine type"), max_length=255)
    #: Outcomes; empty where the migration is not declared.
    expected = models.CharField(max_length=10, blank=True)
    was_expected = models.CharField(max_length=10, blank=True)
    key = models.CharField(max_length=64, blank=True)
    was_key = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["machine_type", "alteration"], name="altered_by_machine_type")
        ]

    def __str__(self) -> str:
        return f"{self.source} → {self.destination}, {self.machine_type}"


class StreamVerdict(models.Model):
    """Would a release load a stream? The question, and what policy.trials.stream_verdicts found."""

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting")
        DONE = "done", _("done")
        FAILED = "failed", _("could not be judged")

    stream = models.ForeignKey(Stream, models.CASCADE, related_name="verdicts")
    #: Into which release, and through which draft it is seen; what its policy was (SHA-256).
    release = models.ForeignKey(Release, models.PROTECT, related_name="+")
    change_request = models.ForeignKey(ChangeRequest, models.SET_NULL, null=True, related_name="+")
    policy_digest = models.CharField(max_length=64, blank=True)
    machine_type = models.CharField(_("machine type"), max_length=255)
    #: Where the guest was started: its mitigations apply.
    started_on = models.ForeignKey(Release, models.PROTECT, null=True, related_name="+")
    #: A stream that the destination itself saved in the same configuration.
    profile = models.ForeignKey(Stream, models.SET_NULL, null=True, related_name="+")
    #: What the user sets on the destination: [[driver, property, value], …].
    properties = models.JSONField(default=list)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    outcome = models.CharField(_("outcome"), max_length=10, blank=True)
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = _("verdict on a stream")

    def __str__(self) -> str:
        return f"{self.stream} into {self.release}"
