"""Ways around the rules that somebody who may edit could try: none of them leads anywhere."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from policy_world import MACHINES, World, person

from policy import edits
from policy.document import DocumentError, from_json
from policy.errors import Invalid
from policy.messages import webhooks
from policy.models import AuditEntry, ChangeRequest, Role
from policy.review import checking, workflow
from policy.review.blockers import blockers
from policy.review.votes import approvals

Status = ChangeRequest.Status


@pytest.fixture
def world(db: None) -> World:
    return World()


# --- Approvals ------------------------------------------------------------------------------------


def edited_and_back(world: World) -> ChangeRequest:
    """A change request whose approved content was edited, and edited back."""
    change = world.edit(world.change(), world.maintainer, "6")
    change = workflow.submit(change, world.maintainer)
    change = workflow.approve(change, world.reviewer, change.digest)
    approved = change.digest
    change = world.edit(change, world.maintainer, "7")
    change = world.edit(change, world.maintainer, "6")
    assert change.digest == approved
    return change


def test_an_approval_does_not_come_back_with_the_content(world: World) -> None:
    change = edited_and_back(world)
    assert approvals(change) == []
    assert "approve" in workflow.available(change, world.reviewer)


def test_judging_again_by_another_number_does_not_bring_it_back(world: World) -> None:
    administrator = person("administrator", Role.ADMINISTRATOR)
    change = edited_and_back(world)
    for number in (2, 1):
        workflow.set_approvals(world.release.tree, administrator, number)
    change.refresh_from_db()
    assert change.status == Status.SUBMITTED


def test_an_objection_does_not_go_by_editing_back_and_forth(world: World) -> None:
    change = workflow.submit(world.edit(world.change(), world.maintainer, "6"), world.maintainer)
    change = workflow.request_changes(change, world.reviewer, change.digest, "No.")
    world.edit(change, world.maintainer, "7")
    change = workflow.submit(world.edit(change, world.maintainer, "6"), world.maintainer)
    change = workflow.approve(change, world.other, change.digest)
    assert "objection" in [blocker.code for blocker in blockers(change)]


# --- A document instead of forms ------------------------------------------------------------------

OVERRIDE = {
    "device": "foo", "section": "foo", "version": 1, "action": "tighten", "justification": " ",
    "machine_type": "",
}  # fmt: skip
MITIGATION = {
    "started_on": "up 1.0", "machine_type": MACHINES[0], "reason": "",
    "entries": [{"driver": "foo", "property": "speed", "value": "3"}],
}  # fmt: skip
WAIVER = {
    "source": "up 1.0", "destination": "down 1.2", "machine_type": "", "finding": "a",
    "bound": "b", "reason": "Known.", "expires": "9999-12-31",
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("overrides[0].justification", OVERRIDE),
        ("mitigations[0].reason", MITIGATION),
        ("waivers[0].reason", WAIVER | {"reason": "", "expires": "2020-01-01"}),
        ("waivers[0].expires", WAIVER),
        (
            "mitigations[0].entries",
            MITIGATION
            | {"reason": "So.", "entries": [{"driver": "foo", "property": "p", "value": "1\n2"}]},
        ),
    ],
)
def test_a_document_may_no_more_than_forms(world: World, path: str, item: Any) -> None:
    change = world.change()
    document = change.policy.to_json() | {path.partition("[")[0]: [item]}
    with pytest.raises(Invalid) as refused:
        edits.replace_policy(change, world.maintainer, change.lock_version, document)
    assert refused.value.field == f"policy.{path}"


def test_a_document_keeps_what_the_draft_holds(world: World) -> None:
    change = world.change()
    last = (checking.today() + timedelta(days=9)).isoformat()
    document = change.policy.to_json() | {"waivers": [WAIVER | {"expires": last}]}
    change = edits.replace_policy(change, world.maintainer, change.lock_version, document)
    assert change.policy.waivers[0].expires == last


@pytest.mark.parametrize("more", ["\n", "1" * 5_000])
def test_a_name_ends_where_it_ends(world: World, more: str) -> None:
    document = world.change().policy.to_json()
    document["machine_types"][0]["name"] += more
    with pytest.raises(DocumentError, match=r"machine_types\[0\].name"):
        from_json(document)


def test_no_draft_holds_more_machine_types_than_can_be_resolved(world: World) -> None:
    change = world.change()
    many = [{"name": f"pc-{n}", "parent": f"pc-{n - 1}" * bool(n)} for n in range(1_001)]
    with pytest.raises(Invalid) as refused:
        edits.replace_policy(
            change, world.maintainer, 1, change.policy.to_json() | {"machine_types": many}
        )
    assert refused.value.field == "policy.machine_types"


# --- What everybody reads -------------------------------------------------------------------------


def test_the_audit_trail_keeps_a_webhooks_address_to_itself(world: World) -> None:
    administrator = person("administrator", Role.ADMINISTRATOR)
    url = "https://chat.example.org/hooks/the-secret-part"
    webhook, _ = webhooks.add(world.release.tree, administrator, url, ["published"])
    webhooks.ping(webhook, administrator)
    webhooks.change(webhook, administrator, f"{url}-2", ["published"])
    webhooks.remove(webhook, administrator)
    told = json.dumps(list(AuditEntry.objects.values()), default=str)
    assert "the-secret-part" not in told
    assert "chat.example.org" in told
