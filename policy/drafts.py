"""How a draft is written: one conditional UPDATE that exactly one of two racing edits wins, while
the other is merged with it.

:mod:`policy.edits` holds what people do; this is the pen that all of it is written with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from policy import audit, history, inputs, trials
from policy.document import DocumentError, Policy, from_json
from policy.document.differences import compare
from policy.document.merging import Choice, Merge, Typed, entries_of, merge
from policy.errors import Conflict, Invalid, MergeNeeded
from policy.messages import notices
from policy.models import ChangeRequest, Revision
from policy.permissions import require
from policy.review import standing

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Status = ChangeRequest.Status
#: An edit after an approval sends the change back to review: the approval named other content.
STATUS_AFTER_EDIT = Case(
    When(status=Status.APPROVED, then=Value(Status.SUBMITTED.value)), default=F("status")
)
OPEN = ChangeRequest.OPEN
MAX_RECORDED = 200
#: So often an edit is merged anew where others are faster each time.
MAX_RACES = 5
#: What the audit trail calls an edit that somebody had to settle with another's.
MERGE = "merge edits"
#: How the paths of fields end that may not be empty.
NEEDED = (".justification", ".reason")


@dataclass(frozen=True, slots=True)
class Settled:
    """What stays of what both changed: the path of each conflict → a side or a value, as chosen
    when the draft was at ``version``."""

    version: int
    choices: Mapping[str, Choice]


def rewrite(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    action: str,
    alter: Callable[[Policy], Policy],
    settled: Settled | None = None,
) -> ChangeRequest:
    """Make an edit of the draft as it was at ``expected_version``; return the change as it is then.

    Where others have edited since, the edit is made of what the person saw and merged with what
    is there now (:mod:`policy.document.merging`); what that was, :func:`policy.history.meanwhile`
    tells.
    Records who edited, and what, in the audit trail. An edit that changes nothing writes nothing;
    one under review asks for the trials that it touches.
    Raises Forbidden, Invalid, Conflict where that version is not known, and MergeNeeded where both
    changed the same and ``settled`` does not say what stays.
    """
    with notices.told(change, actor), transaction.atomic():
        for _ in range(MAX_RACES):
            present = editable(change, actor)
            wanted = _wanted(present, expected_version, action, alter, settled)
            if wanted.policy.digest == present.digest:
                return present
            if _write(present, actor, wanted):
                return _recorded(present, actor, wanted)
        raise _lost(fresh(change), expected_version)


def follow(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    alter: Callable[[Policy], Policy],
    revision: Revision,
) -> ChangeRequest:
    """Base the draft at ``expected_version``, and no other, on a revision; raises Conflict where it
    is at another, and what every edit raises."""
    with notices.told(change, actor), transaction.atomic():
        present = editable(change, actor)
        _check_version(present, expected_version)
        wanted = _Wanted("rebase", checked(alter(present.policy)))
        if not _write(present, actor, wanted, base_revision=revision):
            raise _lost(fresh(change), expected_version)
        return _recorded(present, actor, wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be written, what the audit trail calls it, and what it says of a merge."""

    action: str
    policy: Policy
    merged: dict[str, Any] = field(default_factory=dict)


def _wanted(
    present: ChangeRequest,
    expected_version: int,
    action: str,
    alter: Callable[[Policy], Policy],
    settled: Settled | None,
) -> _Wanted:
    if expected_version == present.lock_version:
        return _Wanted(action, checked(alter(present.policy)))
    seen = seen_at(present, expected_version)
    mine = checked(alter(seen))
    if seen.digest == present.digest:
        # Only title or description were edited since.
        return _Wanted(action, mine)
    theirs = present.policy
    chosen = settled.choices if settled is not None else {}
    merged = merge(seen, mine, theirs, chosen)
    if merged.conflicts or (settled is not None and settled.version != present.lock_version):
        raise MergeNeeded(
            present,
            merge(seen, mine, theirs).conflicts,
            compare(seen, theirs),
            expected_version,
            mine,
            action,
        )
    policy = checked(merged.policy)
    check_typed(merged, policy, (mine, theirs))
    note = {
        "edit": action,
        "seen": expected_version,
        "with": present.lock_version,
        "settled": [
            {"label": conflict.label, "choice": _chosen(choice)}
            for conflict, choice in merged.settled
        ],
    }
    return _Wanted(MERGE if merged.settled else action, policy, note)


def _chosen(choice: Choice) -> str:
    return f"typed: {choice.text}" if isinstance(choice, Typed) else choice


def seen_at(present: ChangeRequest, version: int) -> Policy:
    """The draft at a version. Raises Conflict where there was none."""
    found = history.at(present, version)
    if found is None:
        raise _lost(present, version)
    return found


def check_typed(merged: Merge, policy: Policy, sides: tuple[Policy, Policy]) -> None:
    """What was typed instead of either side must be what an edit may write. Raises Invalid, whose
    field is the conflict's path."""
    for conflict, choice in merged.settled:
        if isinstance(choice, Typed):
            check = inputs.line if conflict.takes == "line" else inputs.words
            if not check(choice.text, conflict.path) and conflict.path.endswith(NEEDED):
                raise Invalid("Say why: a reviewer has to judge it.", field=conflict.path)
    known = {entry for side in sides for _, entry in entries_of(side)}
    for path, entry in entries_of(policy):
        if entry not in known:
            inputs.check_value(policy, entry, field=path)


def _recorded(present: ChangeRequest, actor: User, wanted: _Wanted) -> ChangeRequest:
    """Keep the state that was just written, and say so in the audit trail."""
    edited = fresh(present)
    history.keep(edited, actor, wanted.action)
    if edited.status == Status.SUBMITTED:
        trials.enqueue_missing(edited, actor)
        standing.note(edited)
    merged = {"merged": wanted.merged} if wanted.merged else {}
    audit.record(
        actor,
        wanted.action,
        edited,
        before=_summary(present),
        after={**_summary(edited), "changes": _words(present.policy, wanted.policy), **merged},
    )
    return edited


def describe(
    change: ChangeRequest, actor: User, expected_version: int, title: str, description: str
) -> ChangeRequest:
    """Replace title and description. The content stays, and with it every approval."""
    with transaction.atomic():
        present = editable(change, actor)
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


def _write(change: ChangeRequest, actor: User, wanted: _Wanted, **columns: Any) -> bool:
    """Write the draft where it is still what ``change`` says; False where another was faster."""
    now = timezone.now()
    rows = ChangeRequest.objects.filter(
        pk=change.pk, lock_version=change.lock_version, status__in=OPEN
    ).update(
        **columns,
        content=wanted.policy.to_json(),
        digest=wanted.policy.digest,
        status=STATUS_AFTER_EDIT,
        status_since=Case(When(status=Status.APPROVED, then=Value(now)), default=F("status_since")),
        lock_version=F("lock_version") + 1,
        updated_at=now,
        edited_at=now,
    )
    if rows:
        change.editors.add(actor)
    return bool(rows)


def editable(change: ChangeRequest, actor: User) -> ChangeRequest:
    """The change as it is now. Raises Forbidden, Invalid where the person may not edit it."""
    present = fresh(change)
    require(actor, "edit", present.release.tree)
    check_open(present)
    return present


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
