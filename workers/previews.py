"""Previews that take longer than a page may wait: asked for, and computed by a worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from machines.models import Release
from policy import state
from policy.document import Policy
from policy.edits.toggling import Turn, turned
from policy.errors import Invalid
from policy.models import ChangeRequest
from policy.questions.previewing import preview
from workers import jobs
from workers.models import Job

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from workers.attempts import Attempt

#: Previews that wait for one person.
MAX_WAITING = 4


def enqueue(
    release: Release,
    change: ChangeRequest | None,
    policy: Policy,
    device: str,
    turns: Sequence[Turn],
    user: User | None,
    key: str,
) -> Job:
    """Ask what turning these bits over would bring about in ``policy``.

    That is the draft of ``change``, or what is published of the release where that is None.
    ``key`` names the question: asked again while it is open, it is the same job. Whoever asks for
    one more than :data:`MAX_WAITING` no longer looks at the oldest, which is taken back.
    """
    if user is not None:
        jobs.give_way(Job.Kind.PREVIEW, user, MAX_WAITING)
    where = f"#{change.pk}" if change is not None else release.label
    return jobs.enqueue(
        Job.Kind.PREVIEW,
        {
            "release": release.pk,
            "change": change.pk if change is not None else None,
            "digest": policy.digest,
            "device": device,
            "turns": [asdict(item) for item in turns],
        },
        title=f"Preview of {device} in {where}"[:255],
        user=user,
        dedup_key=key,
    )


def run(attempt: Attempt) -> None:
    """Payload: ``release`` and ``change`` (primary keys, the latter may be None), the ``digest`` of
    the policy that was looked at, ``device``, ``turns``.
    """
    payload = attempt.payload
    release = Release.objects.select_related("tree").get(pk=payload["release"])
    before = _policy(release, payload["change"])
    if before is None or before.digest != payload["digest"]:
        raise Invalid("It was edited in the meantime: look at it again.")
    turns = [Turn(**item) for item in payload["turns"]]
    after = turned(before, payload["device"], turns)
    attempt.finish(preview(before, after, release, payload["device"], attempt.step).to_json())


def _policy(release: Release, change: int | None) -> Policy | None:
    if change is None:
        return state.published(release).policy
    return ChangeRequest.objects.get(pk=change).policy
