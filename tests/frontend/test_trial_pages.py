"""The list of trials, one trial, and the matrix."""

from __future__ import annotations

import pytest
from policy_world import MACHINES, World, arrays, person, release, run_trials
from signed_in import Login

from frontend.views.change_tabs import trials as trials_tab
from machines.models import Release
from policy import edits
from policy.models import ChangeRequest, Trial
from policy.review import workflow
from policy.trials import altered
from workers import jobs


@pytest.fixture
def tried(world: World) -> ChangeRequest:
    """A change whose two declared migrations (forward, backward) were tried."""
    released = world.published().release
    newer = Release.objects.create(tree=released.tree, version="1.3", base=world.old)
    change = edits.open_change(newer, world.maintainer, "Next release")
    change = (
        edits.seed_machine_types(change, world.maintainer, change.lock_version, [MACHINES[1]])
        if not change.policy.machine_types
        else change
    )
    for source, destination in (("down 1.2", "down 1.3"), ("down 1.3", "down 1.2")):
        if not any(item.source == source for item in change.policy.migrations):
            change = edits.add_migration(
                change, world.maintainer, change.lock_version, source, destination, "correct"
            )
    run_trials(change, world.maintainer)
    assert Trial.objects.exists()
    return change


@pytest.fixture
def both(world: World) -> ChangeRequest:
    """The next release, which has both machine types; what it promises by default was tried."""
    world.published()
    newer = release("down", "1.4", arrays(), base=world.old)
    change = edits.open_change(newer, world.maintainer, "As it is")
    assert run_trials(change, world.maintainer) == ["passed"] * 4
    return change


def test_the_list_filters(world: World, login: Login, tried: ChangeRequest) -> None:
    client = login(world.reviewer)
    trial = Trial.objects.first()
    assert f"/trials/{trial.pk}/" in client.get("/trials/").content.decode()
    swapped = client.get("/trials/", {"outcome": "corrupt"}, headers={"HX-Request": "true"})
    assert "Nothing fits" in swapped.content.decode()
    assert "<html" not in swapped.content.decode()
    shown = client.get("/trials/", {"release": tried.release.pk, "machine_type": MACHINES[1]})
    assert f"/trials/{trial.pk}/" in shown.content.decode()


def test_the_list_makes_few_queries(
    world: World, login: Login, tried: ChangeRequest, django_assert_max_num_queries: object
) -> None:
    client = login(world.reviewer)
    client.get("/trials/")
    template = Trial.objects.values().first()
    Trial.objects.bulk_create(
        Trial(**{**template, "id": None, "key": f"{number:064}"}) for number in range(60)
    )
    with django_assert_max_num_queries(20):  # type: ignore[operator]
        assert client.get("/trials/").status_code == 200


def test_a_trial_tells_everything(world: World, login: Login, tried: ChangeRequest) -> None:
    trial = Trial.objects.first()
    page = login(world.reviewer).get(f"/trials/{trial.pk}/?properties=all").content.decode()
    for text in (trial.source.label, trial.destination.label, trial.machine_type, "foo.<b>speed"):
        assert text in page


def test_a_corrupt_and_a_failed_trial(world: World, login: Login, tried: ChangeRequest) -> None:
    trial = Trial.objects.first()
    lost = {
        "device": "foo",
        "section": "foo",
        "field": "ring",
        "kind": "altered",
        "feature": "",
        "expected": "01",
        "found": "02",
        "allowed_by": "",
        "hop": 0,
    }
    Trial.objects.filter(pk=trial.pk).update(
        outcome="corrupt", result={**trial.result, "outcome": "corrupt", "lost": [lost]}
    )
    page = login(world.reviewer).get(f"/trials/{trial.pk}/").content.decode()
    assert "no policy allows it" in page
    assert "ring" in page
    assert "/trials/rules/#outcome-corrupt" in page
    Trial.objects.filter(pk=trial.pk).update(
        state=Trial.State.FAILED, result=None, outcome="", error="No catalogue."
    )
    assert "No catalogue." in login(world.reviewer).get(f"/trials/{trial.pk}/").content.decode()


def test_a_refusal_leads_to_its_rule_and_to_the_properties_that_differ(
    world: World, login: Login, tried: ChangeRequest
) -> None:
    trial = Trial.objects.first()
    inputs = trial.inputs
    inputs["source"]["globals"].append(["foo", "speed", "1", "policy"])
    inputs["destination"]["globals"].append(["foo", "speed", "2", "policy"])
    problem = {"reason": "No.", "device": "foo", "field": "ring", "kind": "layout"}
    hop = {"source": "a", "destination": "b", "outcome": "refused", "problems": [problem]}
    result = {**trial.result, "kind": "layout", "section": "foo", "hops": [hop]}
    Trial.objects.filter(pk=trial.pk).update(outcome="refused", result=result, inputs=inputs)
    page = login(world.reviewer).get(f"/trials/{trial.pk}/").content.decode()
    assert "/trials/rules/#refusal-layout" in page
    assert f"machine-types/{trial.machine_type}/?q=foo.speed" in page
    assert "1 → 2" in page


def test_the_matrix_marks_what_a_change_alters(
    world: World, login: Login, tried: ChangeRequest
) -> None:
    client = login(world.reviewer)
    page = client.get(f"/trials/matrix/?change={tried.pk}&machine_type={MACHINES[1]}")
    text = page.content.decode()
    assert "changed" in text
    assert "forward" in text
    assert "backward" in text
    published = client.get(f"/trials/matrix/?tree=down&machine_type={MACHINES[1]}")
    assert published.status_code == 200


def test_a_cell_swaps_its_panel_and_marks_itself(
    world: World, login: Login, tried: ChangeRequest
) -> None:
    answer = login(world.reviewer).get(
        "/trials/matrix/",
        {
            "change": tried.pk,
            "machine_type": MACHINES[1],
            "source": "down 1.3",
            "destination": "down 1.2",
        },
        headers={"HX-Request": "true", "HX-Target": "matrix-panel"},
    )
    text = answer.content.decode()
    assert "To the trial" in text
    assert 'hx-swap-oob="true"' in text
    assert text.count('aria-current="true"') == 1
    assert "<html" not in text


def test_the_worst_over_all_machine_types(world: World, login: Login, both: ChangeRequest) -> None:
    client = login(world.reviewer)
    asked = {"change": both.pk, "machine_type": "all"}
    page = client.get("/trials/matrix/", asked).content.decode()
    assert "Every machine type, the worst of each pair" in page
    assert "2 pairs, 4 trials · 4 as promised" in page
    Trial.objects.filter(machine_type=MACHINES[1]).update(outcome="corrupt")
    chosen = asked | {"source": "down 1.4", "destination": "down 1.2"}
    page = client.get("/trials/matrix/", chosen).content.decode()
    assert "down 1.4 → down 1.2, backward:" in page
    assert "1 of 2 differ" in page
    panel = page[page.index('id="matrix-panel"') :]
    assert panel.index(MACHINES[1]) < panel.index(MACHINES[0])


def test_the_matrix_is_filtered_by_outcome_and_device(
    world: World, login: Login, both: ChangeRequest
) -> None:
    client = login(world.reviewer)
    trial = Trial.objects.get(source__version="1.2", machine_type=MACHINES[1])
    lost = {"device": "foo", "section": "foo", "field": "ring"}
    result = {**trial.result, "outcome": "refused", "lost": [lost]}
    Trial.objects.filter(pk=trial.pk).update(outcome="refused", result=result)
    asked = {"change": both.pk, "machine_type": "all"}
    for chosen in ({"outcome": "refused"}, {"device": "foo"}):
        page = client.get("/trials/matrix/", asked | chosen).content.decode()
        assert "1 pair, 1 trial " in page
        assert "filtered out" in page
    assert "<option>foo</option>" in client.get("/trials/matrix/", asked).content.decode()


def test_a_cell_tells_the_outcome_before_the_change(
    world: World, login: Login, both: ChangeRequest
) -> None:
    """What is published said ``correct`` for the pair that a further change now edits."""
    change = workflow.submit(both, world.maintainer)
    change = workflow.approve(change, world.reviewer, change.digest)
    workflow.publish(change, world.manager)
    newer = edits.open_change(change.release, world.maintainer, "Faster")
    name = newer.policy.machine_types[0].name
    newer = edits.add_entry(newer, world.maintainer, 1, name, "foo", "speed", "9")
    page = login(world.reviewer).get(f"/trials/matrix/?change={newer.pk}&machine_type={name}")
    assert 'was <span aria-hidden="true">✓</span> correct' in page.content.decode()


def test_what_any_open_change_alters_is_marked(
    world: World, login: Login, both: ChangeRequest
) -> None:
    altered.refresh()
    client = login(world.reviewer)
    asked = {"tree": "down", "machine_type": MACHINES[1]}
    shown = client.get("/trials/matrix/", asked)
    assert shown.context["marked_count"] == 2
    assert f"#{both.pk} As it is" in shown.content.decode()
    chosen = asked | {"source": "down 1.2", "destination": "down 1.4"}
    panel = client.get("/trials/matrix/", chosen).content.decode().partition("matrix-panel")[2]
    assert "Nothing published declares this migration." in panel
    assert "not declared" in panel
    assert '<span class="symbol" aria-hidden="true">✓</span>correct' in panel
    own = client.get("/trials/matrix/", asked | {"change": both.pk})
    assert own.context["marked_count"] == 0


def test_the_machine_type_that_is_shown_first_migrates(
    world: World, login: Login, tried: ChangeRequest
) -> None:
    """The newest one is in one of the releases alone."""
    page = login(world.reviewer).get("/trials/matrix/", {"change": tried.pk})
    assert page.context["machine_type"] in page.context["tried"]
    assert page.context["counts"]["trials"]


def test_many_releases_are_shown_as_far_as_they_concern(
    world: World, login: Login, both: ChangeRequest
) -> None:
    """Those without a declared migration wait to be asked for; a column's name zooms in."""
    for number in range(20):
        Release.objects.create(tree=both.release.tree, version=f"2.{number}", base=world.old)
    client, asked = login(world.reviewer), {"change": both.pk, "machine_type": "all"}
    few = client.get("/trials/matrix/", asked)
    assert [head.version for head in few.context["heads"]] == ["1.2", "1.4"]
    assert few.context["left_out"] == 20
    everything = client.get("/trials/matrix/", asked | {"releases": "all"})
    assert everything.context["density"] == "tiny"
    assert len(everything.content) < 60_000
    zoomed = client.get("/trials/matrix/", asked | {"releases": "all", "around": "down 1.4"})
    assert [head.version for head in zoomed.context["heads"]] == ["1.2", "1.4"]


def test_more_trials_are_no_more_queries(
    world: World, login: Login, tried: ChangeRequest, django_assert_max_num_queries: object
) -> None:
    client = login(world.reviewer)
    for name in ("all", MACHINES[0]):
        with django_assert_max_num_queries(25):  # type: ignore[operator]
            client.get(f"/trials/matrix/?change={tried.pk}&machine_type={name}")


def test_a_trial_job_is_polled_while_open(world: World, login: Login, tried: ChangeRequest) -> None:
    client = login(world.maintainer)
    answer = client.get(f"/changes/{tried.pk}/trials/", headers={"HX-Request": "true"})
    assert "as promised" in answer.content.decode()
    rows = client.get(f"/changes/{tried.pk}/?tab=trials").content.decode()
    assert rows.count("→") >= 2


def test_strangers_and_bad_addresses(world: World, login: Login, tried: ChangeRequest) -> None:
    trial = Trial.objects.first()
    nobody = login(person("nobody"))
    assert nobody.get(f"/trials/{trial.pk}/").status_code == 404
    assert nobody.get(f"/trials/matrix/?change={tried.pk}").status_code == 404
    client = login(world.reviewer)
    assert client.get("/trials/99999/").status_code == 404
    assert client.get("/trials/matrix/?tree=nonsense").status_code == 404
    assert client.get("/trials/matrix/?change=²&machine_type=x").status_code == 200


def test_trials_of_a_cancelled_job_can_be_asked_for_again(world: World, login: Login) -> None:
    change = edits.add_migration(
        world.change(), world.maintainer, 1, "down 1.2", "down 1.2", "correct"
    )
    client = login(world.maintainer)
    client.post(f"/changes/{change.pk}/run-trials/")
    assert (
        "2 waiting · 0 to run" in client.get(f"/changes/{change.pk}/?tab=trials").content.decode()
    )
    jobs.cancel(jobs.jobs_of(change).get(), world.maintainer)
    page = client.get(f"/changes/{change.pk}/?tab=trials").content.decode()
    assert "0 waiting · 2 to run" in page
    assert "Run what is missing" in page


def test_of_many_trials_those_that_need_a_look_are_listed(
    world: World, login: Login, both: ChangeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials_tab, "PAGE_SIZE", 2)
    Trial.objects.filter(source__version="1.4", machine_type=MACHINES[1]).update(outcome="refused")
    client = login(world.reviewer)
    page = client.get(f"/changes/{both.pk}/?tab=trials").content.decode()
    rows = page.partition("<tbody data-rows>")[2].partition("</tbody>")[0]
    assert rows.count("<tr") == 2
    assert rows.index("✕ differs") < rows.index("as promised")
    assert "1–2 of 4" in page
    chosen = client.get(f"/changes/{both.pk}/?tab=trials&show=differs").content.decode()
    assert chosen.partition("<tbody data-rows>")[2].partition("</tbody>")[0].count("<tr") == 1
    none = client.get(f"/changes/{both.pk}/?tab=trials&q=nonsense").content.decode()
    assert "No trial fits" in none
