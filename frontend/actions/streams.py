"""What is done with uploaded streams: taking one in, and asking whether a release would load it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from frontend import uploads
from frontend.questions import ends
from frontend.questions.ends import End
from machines.models import Stream
from policy.models import StreamVerdict
from policy.trials import stream_verdicts
from policy.trials import streams as policy_streams
from policy.trials.stream_verdicts import Question
from workers import jobs


@transaction.atomic
def take_in(user: User, file: uploads.ReceivedFile) -> Stream:
    """Keep an upload and have it read. Raises Forbidden, Invalid."""
    stream = policy_streams.upload(user, file.name or "", file.path, file.size or 0, file.digest)
    jobs.enqueue_stream(stream, user)
    return stream


@transaction.atomic
def ask(user: User, found: Stream, data: dict[str, Any]) -> StreamVerdict:
    """A question in the words of the form. Raises Forbidden, Invalid."""
    into: End = ends.end_of(user, data["into"], "into")
    started_on = data.get("started_on") or ""
    question = Question(
        release=into.release,
        change=into.change,
        machine_type=data.get("machine_type") or "",
        started_on=ends.end_of(user, started_on, "started_on").release if started_on else None,
        profile=data.get("profile"),
        properties=data.get("properties") or (),
    )
    verdict = stream_verdicts.ask(user, found, question)
    jobs.enqueue_verdict(verdict, user)
    return verdict
