"""Waivers: what they take out of the way, for how long, and what they are bound to."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from policy_world import MACHINES, World, run_trials

from policy import edits, trials
from policy.document import DocumentError, Policy, Waiver, from_json
from policy.document.waivers import LONGEST, Standing
from policy.errors import Forbidden, Invalid
from policy.models import AuditEntry, ChangeRequest, Trial
from policy.review import checking, workflow

pytestmark = pytest.mark.django_db
PAIR = ("down 1.2", "down 1.2")
NEWEST, OLDER = MACHINES


def differing(world: World) -> ChangeRequest:
    """A change in review whose two trials end otherwise than declared."""
    change = edits.add_migration(world.change(), world.maintainer, 1, *PAIR, "refused")
    change = workflow.submit(change, world.maintainer)
    assert run_trials(change, world.maintainer) == ["differs", "differs"]
    return change


def waive(
    world: World,
    change: ChangeRequest,
    machine_type: str = NEWEST,
    reason: str = "Known",
    days: int = 30,
) -> ChangeRequest:
    change.refresh_from_db()
    last = checking.today() + timedelta(days=days)
    return edits.waive_trial(
        change, world.maintainer, change.lock_version, *PAIR, machine_type, reason, last
    )


def outcomes(change: ChangeRequest) -> dict[str, str]:
    return {
        item.requirement.required.machine_type: item.outcome for item in checking.trials_of(change)
    }


def test_a_waived_trial_is_neither_passed_nor_in_the_way() -> None:
    world = World()
    change = waive(world, differing(world))
    assert outcomes(change) == {NEWEST: "waived", OLDER: "differs"}
    blocking = [b.text for b in workflow.blockers(change) if b.code == "trials"]
    assert len(blocking) == 1
    assert OLDER in blocking[0]


def test_a_waiver_is_reviewed_like_an_edit() -> None:
    world = World()
    change = waive(world, differing(world), OLDER)
    change = workflow.approve(change, world.reviewer, change.digest)
    change = waive(world, change)
    assert change.status == ChangeRequest.Status.SUBMITTED
    assert workflow.approvals(change) == []
    assert AuditEntry.objects.latest("id").action == "waive trial"
    with pytest.raises(Forbidden):
        workflow.approve(change, world.maintainer, change.digest)
    change = workflow.approve(change, world.reviewer, change.digest)
    assert workflow.blockers(change) == ()
    revision = workflow.publish(change, world.manager)
    assert '"waived":{"expires":' in revision.content


def test_an_expired_waiver_blocks_again() -> None:
    world = World()
    change = waive(world, differing(world), days=0)
    required = trials.required(change)
    tomorrow = checking.today() + timedelta(days=1)
    on_its_last_day = checking.checked(change.policy, required, checking.today())
    afterwards = checking.checked(change.policy, required, tomorrow)
    assert on_its_last_day[0].outcome == "waived"
    assert (afterwards[0].outcome, afterwards[0].waived.word) == ("differs", "expired")


def test_a_waiver_holds_no_longer_where_a_side_has_other_content() -> None:
    world = World()
    change = waive(world, differing(world))
    change = world.edit(change, world.maintainer, "9")
    run_trials(change, world.maintainer)
    assert outcomes(change)[NEWEST] == "differs"
    (checked, _) = checking.trials_of(change)
    assert checked.waived.word == "void"
    assert any("other content" in b.text for b in workflow.blockers(change))
    # With the content that it was given for, it holds again.
    assert outcomes(world.edit(change, world.maintainer, "5"))[NEWEST] == "waived"


def test_a_waiver_is_carried_over_to_the_next_change_where_nothing_differs() -> None:
    world = World()
    change = waive(world, waive(world, differing(world)), OLDER)
    workflow.publish(workflow.approve(change, world.reviewer, change.digest), world.manager)
    after = world.change()
    assert outcomes(after) == {NEWEST: "waived", OLDER: "waived"}


@pytest.mark.parametrize(
    ("days", "reason", "field"),
    [(-1, "Known", "expires"), (LONGEST + 1, "Known", "expires"), (3, "  ", "reason")],
)
def test_a_waiver_needs_a_reason_and_an_end(days: int, reason: str, field: str) -> None:
    world = World()
    change = differing(world)
    with pytest.raises(Invalid) as caught:
        waive(world, change, reason=reason, days=days)
    assert caught.value.field == field
    with pytest.raises(Invalid) as caught:
        edits.waive_trial(
            change, world.maintainer, change.lock_version, *PAIR, NEWEST, "Known", None
        )
    assert caught.value.field == "expires"
    change.refresh_from_db()
    assert change.policy.waivers == ()


def test_only_what_ended_otherwise_is_waived() -> None:
    world = World()
    change = edits.add_migration(world.change(), world.maintainer, 1, *PAIR, "correct")
    with pytest.raises(Invalid, match="ended otherwise"):  # not run
        waive(world, change)
    run_trials(change, world.maintainer)
    with pytest.raises(Invalid, match="ended otherwise"):  # as promised
        waive(world, change)
    Trial.objects.update(state=Trial.State.FAILED, outcome="")
    with pytest.raises(Invalid, match="ended otherwise"):  # could not run
        waive(world, change)
    with pytest.raises(Invalid, match="No such trial"):
        waive(world, change, "pc-none")


def test_corrupt_is_never_waived() -> None:
    world = World()
    change = waive(world, differing(world))
    Trial.objects.update(outcome="corrupt")
    assert outcomes(change)[NEWEST] == "differs"
    with pytest.raises(Invalid, match="Corrupt is never accepted"):
        waive(world, change)


def test_a_waiver_is_taken_back_and_replaced() -> None:
    world = World()
    change = waive(world, waive(world, differing(world)), reason="Better words")
    assert [item.reason for item in change.policy.waivers] == ["Better words"]
    with pytest.raises(Invalid):
        edits.remove_waiver(change, world.maintainer, change.lock_version, 1)
    change = edits.remove_waiver(change, world.maintainer, change.lock_version, 0)
    assert outcomes(change)[NEWEST] == "differs"


def test_only_a_maintainer_waives() -> None:
    world = World()
    change = differing(world)
    world.maintainer = world.reviewer
    with pytest.raises(Forbidden):
        waive(world, change)


# --- Without a database ---------------------------------------------------------------------------

WAIVER = Waiver("a 1", "a 2", "pc", "", "aa", "Known", "2027-01-31")


@pytest.mark.parametrize(
    ("bound", "today", "word"),
    [
        ("aa", date(2027, 1, 31), "holds"),
        ("aa", date(2027, 2, 1), "expired"),
        ("bb", date(2027, 1, 1), "void"),
    ],
)
def test_how_a_waiver_stands(bound: str, today: date, word: str) -> None:
    assert Standing.of(WAIVER, bound, today).word == word


def test_a_policy_without_waivers_keeps_its_digest() -> None:
    world = World()
    policy = world.change().policy
    assert "waivers" not in policy.to_json()
    waived = replace(policy, waivers=(WAIVER,))
    assert waived.digest != policy.digest
    assert from_json(waived.to_json()) == waived


@pytest.mark.parametrize("day", ["", "soon", "2027-13-01", "31.01.2027"])
def test_a_last_day_is_a_date(day: str) -> None:
    policy: Policy = replace(World().change().policy, waivers=(replace(WAIVER, expires=day),))
    with pytest.raises(DocumentError, match=r"waivers\[0\]\.expires"):
        from_json(policy.to_json())
