"""A trial's stream, which the trial itself does not keep: made again from its inputs.

A trial by model follows from its inputs alone, so holding it again sends the same bytes. What each
field became on the destination is kept beside them.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone

from machines import kept_streams
from machines.catalogue import NoCatalogue
from machines.emulator import machine
from machines.emulator.anatomy import Anatomy, take_apart
from machines.emulator.layout import DescriptionError
from machines.emulator.recording import Recording
from machines.models import Stream
from policy import audit, trials
from policy.document import DocumentError
from policy.errors import Invalid
from policy.models import Trial
from policy.permissions import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def stream_of(trial: Trial) -> Stream | None:
    """The trial's stream, where it was made again and has not expired."""
    return Stream.objects.filter(key=trial.key).first()


@transaction.atomic
def ask(user: User, trial: Trial) -> None:
    """Note that somebody wants to see the stream. Raises Forbidden, Invalid."""
    require(user, "view", trial.destination.tree)
    if trial.state != Trial.State.DONE:
        raise Invalid("A trial that was not held has no stream.")
    audit.record(user, "asked for stream", trial)


def record(trial: Trial) -> Stream:
    """Hold the trial again and keep its stream. Raises ``Invalid`` where that cannot be."""
    known = stream_of(trial)
    if known is not None:
        return known
    recording = Recording()
    try:
        trials.outcome_of(
            trial.inputs,
            lambda sides, devices, seed, relaxed: machine.trial(
                sides, devices, seed, relaxed, recording
            ),
        )
    except (NoCatalogue, machine.TrialError, DescriptionError, DocumentError) as error:
        raise Invalid(f"The trial could not be held again: {error}") from error
    if not recording.stream:
        raise Invalid("The source refused to save its state: there is no stream.")
    return _keep(trial, take_apart(io.BytesIO(recording.stream)), recording)


def _keep(trial: Trial, found: Anatomy, recording: Recording) -> Stream:
    try:
        with transaction.atomic():
            stream = Stream.objects.create(
                key=trial.key,
                name=str(trial),
                size=len(recording.stream),
                expires_at=timezone.now() + kept_streams.KEPT_RECORD,
            )
            kept_streams.keep(stream, found, recording.sections)
    except IntegrityError:
        # Somebody else's worker was faster: it is the same stream.
        if (known := stream_of(trial)) is None:
            raise
        return known
    return stream
