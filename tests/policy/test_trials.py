"""Trials are named by their inputs: an edit repeats only what it touches."""

from __future__ import annotations

import pytest
from policy_world import MACHINES, World, arrays, person, release, run_trials

from machines.models import Snapshot
from policy import edits, trials
from policy.document import digest
from policy.errors import Forbidden
from policy.models import ChangeRequest, Role, Trial
from policy.review import workflow
from policy.signals import trials_required
from policy.trials import matrix

pytestmark = pytest.mark.django_db
NEWEST, OLDER = MACHINES


@pytest.fixture
def world() -> World:
    return World()


def declared(
    world: World, source: str = "down 1.2", destination: str = "down 1.2", expected: str = "correct"
) -> ChangeRequest:
    change = world.change()
    return edits.add_migration(change, world.maintainer, 1, source, destination, expected)


def verdicts(change: ChangeRequest) -> dict[str, str]:
    return {item.required.machine_type: item.verdict for item in trials.required(change)}


def test_a_declared_migration_is_tried_on_each_machine_type(world: World) -> None:
    change = declared(world)
    assert verdicts(change) == {NEWEST: "not-run", OLDER: "not-run"}
    assert run_trials(change, world.maintainer) == ["passed", "passed"]
    assert trials.enqueue_missing(change, world.maintainer) == []


def test_an_edit_of_one_machine_type_repeats_only_its_trials(world: World) -> None:
    change = declared(world)
    run_trials(change, world.maintainer)
    change = edits.change_entry(change, world.maintainer, 2, OLDER, 0, "3")
    assert verdicts(change) == {NEWEST: "passed", OLDER: "not-run"}
    change = edits.change_entry(change, world.maintainer, 3, OLDER, 0, "4")
    assert verdicts(change) == {NEWEST: "passed", OLDER: "passed"}


def test_words_are_no_input_of_a_trial(world: World) -> None:
    change = declared(world)
    run_trials(change, world.maintainer)
    version = change.lock_version
    edits.edit_description(change, world.maintainer, version, "Another title", "Because.")
    assert set(verdicts(change).values()) == {"passed"}


def test_another_outcome_than_the_declared_one_differs_and_blocks(world: World) -> None:
    change = declared(world, expected="refused")
    assert run_trials(change, world.maintainer) == ["differs", "differs"]
    codes = [blocker.code for blocker in workflow.blockers(change)]
    assert codes.count("trials") == 2


def test_a_corrupt_outcome_never_passes(world: World) -> None:
    change = declared(world)
    run_trials(change, world.maintainer)
    Trial.objects.update(outcome="corrupt")
    assert set(verdicts(change).values()) == {"differs"}


def test_a_raised_version_is_refused_by_the_older_release(world: World) -> None:
    carriers = [{"section": "foo", "version": 2, "fields": ["d"]}]
    feature = edits.record_feature(
        world.maintainer, world.new, "foo-d", "D", "", "foo", carriers, None
    )
    older = release("down", "1.1", None, base=world.release)
    first = workflow.submit(
        edits.open_change(older, world.maintainer, "As it was"), world.maintainer
    )
    first = workflow.approve(first, world.reviewer, first.digest)
    workflow.publish(first, world.manager)
    change = edits.open_change(world.release, world.maintainer, "Take D")
    change = edits.add_backport(change, world.maintainer, 1, feature, "", "", "Needed.")
    change = edits.remove_migration(change, world.maintainer, 2, 1)  # back again, by default
    change = edits.add_migration(change, world.maintainer, 3, "down 1.2", "down 1.1", "refused")
    run_trials(change, world.maintainer)
    found = {
        (item.required.source, item.verdict, item.trial and item.trial.outcome)
        for item in trials.required(change)
    }
    # Backward as declared; forward the destination misses D, until the downstream relaxes that bit.
    assert found == {("down 1.2", "passed", "refused"), ("down 1.1", "differs", "refused")}


def test_an_unpublished_partner_is_what_its_catalogue_says_in_both_directions(world: World) -> None:
    release("down", "1.1", arrays(), base=world.old)
    change = declared(world, "down 1.1", "down 1.2")
    change = edits.add_migration(change, world.maintainer, 2, "down 1.2", "down 1.1", "correct")
    assert run_trials(change, world.maintainer) == ["passed"] * 4
    found = {item.required.source: item.origins for item in trials.required(change)}
    assert found == {"down 1.1": ("catalogue", "policy"), "down 1.2": ("policy", "catalogue")}
    inputs = trials.required(change)[0].inputs
    assert inputs is not None
    assert ["foo", "speed", "5", "compat"] in inputs.source.globals


def test_what_a_draft_asks_for_can_be_held_before_it_is_stored(world: World) -> None:
    feature = edits.record_feature(
        world.maintainer, world.new, "foo-s", "S", "", "foo",
        [{"section": "foo/foo/s", "subsection": True}], None,
    )  # fmt: skip
    change = edits.add_backport(world.change(), world.maintainer, 1, feature, "", "", "Needed.")
    edits.add_migration(change, world.maintainer, 2, "down 1.2", "down 1.2", "correct")
    change.refresh_from_db()
    inputs = trials.required(change)[0].inputs
    assert inputs is not None
    assert trials.outcome_of(inputs.to_json()).outcome == "correct"


def test_a_draft_meets_a_published_partner_that_has_more(world: World) -> None:
    feature = edits.record_feature(
        world.maintainer, world.new, "foo-s", "S", "", "foo",
        [{"section": "foo/foo/s", "subsection": True}], None,
    )  # fmt: skip
    first = edits.add_backport(world.change(), world.maintainer, 1, feature, "", "", "Needed.")
    first = workflow.submit(first, world.maintainer)
    first = workflow.approve(first, world.reviewer, first.digest)
    revision = workflow.publish(first, world.manager)
    older = release("down", "1.1", arrays(), base=world.old)
    change = edits.open_change(older, world.maintainer, "First")
    for source, destination in (("down 1.1", "down 1.2"), ("down 1.2", "down 1.1")):
        version = change.lock_version
        change = edits.add_migration(
            change, world.maintainer, version, source, destination, "refused"
        )
    assert run_trials(change, world.maintainer) == ["passed"] * 4
    reasons = {
        (item.required.source, item.origins, ((item.trial and item.trial.result) or {})["kind"])
        for item in trials.required(change)
    }
    assert reasons == {
        ("down 1.1", ("policy", "policy"), "blacklisted"),
        ("down 1.2", ("policy", "policy"), "unknown-section"),
    }
    assert revision.snapshot.release == world.old


def test_a_lost_catalogue_could_not_run_says_what_to_import_and_runs_later(world: World) -> None:
    change = declared(world)
    asked = trials.enqueue_missing(change, world.maintainer)
    Snapshot.objects.filter(release=world.old).update(digest="f" * 64)
    for trial in asked:
        trials.run(trial)
        assert (trial.state, "import up 1.0" in trial.error) == (Trial.State.FAILED, True)
    Snapshot.objects.filter(release=world.old).update(digest=change.policy.base.digest)
    assert set(verdicts(change).values()) == {"could-not-run"}
    assert [b.code for b in workflow.blockers(change)].count("trials") == 2
    assert run_trials(change, world.maintainer) == ["passed", "passed"]


def test_a_partner_without_a_catalogue_could_not_run(world: World) -> None:
    release("down", "3.0", None)
    change = declared(world, destination="down 3.0")
    (found,) = trials.required(change)
    assert (found.verdict, found.trial) == ("could-not-run", None)
    assert "down 3.0" in found.problem


def test_a_promise_that_nothing_tests_blocks(world: World) -> None:
    change = declared(world, destination="up 2.0")
    (found,) = trials.required(change)
    assert "no machine type in common" in found.problem
    assert "trials" in {blocker.code for blocker in workflow.blockers(change)}


def test_a_machine_type_that_the_partner_lacks_could_not_run(world: World) -> None:
    change = world.change()
    change = edits.add_migration(
        change, world.maintainer, 1, "down 1.2", "up 2.0", "correct", OLDER
    )
    (found,) = trials.required(change)
    assert (found.verdict, found.problem) == (
        "could-not-run",
        f"up 2.0 has no machine type '{OLDER}'.",
    )


def test_a_mitigation_is_part_of_the_destination(world: World) -> None:
    change = declared(world)
    before = {item.key for item in trials.required(change)}
    edits.add_mitigation(
        change, world.maintainer, 2, "down 1.2", OLDER, [("foo", "speed", "1")], "Bug."
    )
    change.refresh_from_db()
    after = [item.inputs for item in trials.required(change) if item.key not in before]
    assert [item.machine_type for found in after if found for item in [found.source]] == [OLDER]
    assert after[0] is not None
    assert after[0].destination.globals[-1] == ["foo", "speed", "1", "policy"]
    assert after[0].source.globals[-1] != ["foo", "speed", "1", "policy"]


def test_a_trial_runs_from_its_inputs_alone(world: World) -> None:
    change = declared(world)
    (trial, _) = trials.enqueue_missing(change, world.maintainer)
    ChangeRequest.objects.filter(pk=change.pk).update(content={})
    assert trials.outcome_of(trial.inputs) == trials.outcome_of(trial.inputs)
    assert trial.key == digest(trial.inputs)


def test_submitting_asks_the_workers(world: World) -> None:
    change = declared(world)
    asked: list[int] = []
    receiver = lambda trials, **rest: asked.append(len(trials))  # noqa: E731
    trials_required.connect(receiver)
    try:
        change = workflow.submit(change, world.maintainer)
        edits.change_entry(change, world.maintainer, change.lock_version, OLDER, 0, "3")
    finally:
        trials_required.disconnect(receiver)
    assert asked == [2, 2]  # the newest's still waits, the older one's is another trial now


def test_a_viewer_asks_for_no_trials(world: World) -> None:
    with pytest.raises(Forbidden):
        trials.enqueue_missing(declared(world), person("viewer", Role.VIEWER))


def test_the_matrix_shows_the_draft_in_place_of_what_is_published(world: World) -> None:
    change = declared(world, source="up 1.0")
    tree = world.release.tree
    assert matrix.matrix(tree, OLDER).cells == {}
    change = edits.add_migration(
        change, world.maintainer, change.lock_version, "down 1.2", "down 1.2", "correct"
    )
    found = matrix.matrix(tree, OLDER, change)
    assert set(found.cells) == {("down 1.2", "down 1.2")}
    whole = matrix.matrix(tree, "", change)
    assert [
        item.requirement.required.machine_type for item in whole.cells["down 1.2", "down 1.2"]
    ] == [
        NEWEST,
        OLDER,
    ]
