"""How a draft is written: one conditional UPDATE that exactly one of two racing edits wins.

:mod:`policy.edits` holds what people do; this is the pen that all of it is written with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from policy import audit, history, notices, standing, trials
from policy.differences import compare
from policy.document import DocumentError, Policy, from_json
from policy.errors import Conflict, Invalid
from policy.models import ChangeRequest
from policy.permissions import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Status = ChangeRequest.Status
#: An edit after an approval sends the change back to review: the approval named other content.
STATUS_AFTER_EDIT = Case(
    When(status=Status.APPROVED, then=Value(Status.SUBMITTED.value)), default=F("status")
)
OPEN = ChangeRequest.OPEN
MAX_RECORDED = 200


def rewrite(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    action: str,
    alter: Callable[[Policy], Policy],
    **columns: Any,
) -> ChangeRequest:
    """Replace the draft by what ``alter`` makes of it, and return the change as it is then.

    ``columns`` are written along with it: what the draft is based on.

    Records who edited, and what, in the audit trail. An edit that changes nothing writes nothing;
    one under review asks for the trials that it touches.
    Raises Forbidden, Conflict (the draft is not at ``expected_version``), or Invalid.
    """
    with notices.told(change, actor), transaction.atomic():
        present = fresh(change)
        require(actor, "edit", present.release.tree)
        check_open(present)
        _check_version(present, expected_version)
        before = present.policy
        after = checked(alter(before))
        if after.digest == present.digest and not columns:
            return present
        columns |= {"content": after.to_json(), "digest": after.digest}
        _write(present, actor, expected_version, **columns)
        edited = fresh(change)
        history.keep(edited, actor, action)
        if edited.status == Status.SUBMITTED:
            trials.enqueue_missing(edited, actor)
            standing.note(edited)
        audit.record(
            actor,
            action,
            edited,
            before=_summary(present),
            after={**_summary(edited), "changes": _words(before, after)},
        )
    return edited


def describe(
    change: ChangeRequest, actor: User, expected_version: int, title: str, description: str
) -> ChangeRequest:
    """Replace title and description. The content stays, and with it every approval."""
    with transaction.atomic():
        present = fresh(change)
        require(actor, "edit", present.release.tree)
        check_open(present)
        _check_version(present, expected_version)
        rows = ChangeRequest.objects.filter(
            pk=present.pk, lock_version=expected_version, status__in=OPEN
        ).update(
            title=title,
            description=description,
            lock_version=F("lock_version") + 1,
            updated_at=timezone.now(),
        )
        if not rows:
            raise _lost(fresh(change), expected_version)
        edited = fresh(change)
        audit.record(
            actor,
            "edit description",
            edited,
            before={"title": present.title, "description": present.description},
            after={"title": title, "description": description},
        )
    return edited


def fresh(change: ChangeRequest) -> ChangeRequest:
    """The change as the database has it now."""
    return ChangeRequest.objects.select_related("release__tree", "release__base__tree").get(
        pk=change.pk
    )


def checked(policy: Policy) -> Policy:
    """The policy read back from its own JSON, so that only what can be read is ever written."""
    try:
        return from_json(policy.to_json())
    except DocumentError as error:
        raise Invalid(str(error), field=error.path.rpartition(".")[2]) from error


def _write(change: ChangeRequest, actor: User, expected_version: int, **values: Any) -> None:
    now = timezone.now()
    rows = ChangeRequest.objects.filter(
        pk=change.pk, lock_version=expected_version, status__in=OPEN
    ).update(
        **values,
        status=STATUS_AFTER_EDIT,
        status_since=Case(When(status=Status.APPROVED, then=Value(now)), default=F("status_since")),
        lock_version=F("lock_version") + 1,
        updated_at=now,
        edited_at=now,
    )
    if not rows:
        raise _lost(fresh(change), expected_version)
    change.editors.add(actor)


def check_open(change: ChangeRequest) -> None:
    """Raise Invalid where the change request is published or withdrawn."""
    if change.status not in OPEN:
        raise Invalid(f"The change request is {change.get_status_display()}: open a new one.")


def _check_version(change: ChangeRequest, expected: int) -> None:
    if change.lock_version != expected:
        raise _lost(change, expected)


def _lost(change: ChangeRequest, seen: int) -> Conflict:
    return Conflict(
        "Someone else edited this change request in the meantime; nothing of yours was written. "
        f"It is now at version {change.lock_version}.",
        current_version=change.lock_version,
        meanwhile=history.since(change, seen),
    )


def _summary(change: ChangeRequest) -> dict[str, Any]:
    return {
        "version": change.lock_version,
        "status": change.status,
        "digest": change.digest,
    }


def _words(before: Policy | None, after: Policy) -> list[dict[str, str]]:
    """The differences as the audit trail keeps them: the first ones of a very long list."""
    found = compare(before, after)
    words = [asdict(item) for item in found[:MAX_RECORDED]]
    if len(found) > MAX_RECORDED:
        words.append({"label": f"and {len(found) - MAX_RECORDED} more"})
    return words
