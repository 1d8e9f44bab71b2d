"""What one person has waiting is limited: a program is told when to come again, a page says why."""

from __future__ import annotations

import pytest
from policy_world import World
from signed_in import Login

from policy.models import Trial
from workers import jobs
from workers.models import Job


@pytest.fixture
def trial(world: World) -> Trial:
    """A trial; its maintainer has as many searches for mitigations open as one may have."""
    for number in range(jobs.MOST_OPEN[Job.Kind.SEARCH]):
        jobs.enqueue(Job.Kind.SEARCH, {"trial": 0}, title=f"{number}", user=world.maintainer)
    return Trial.objects.create(
        key="a" * 64,
        source=world.old,
        destination=world.release,
        machine_type="pc",
        inputs={},
        state="done",
        outcome="refused",
    )


def test_a_program_is_told_to_wait(world: World, login: Login, trial: Trial) -> None:
    address = f"/api/v1/trials/{trial.pk}/remedies/"
    answer = login(world.maintainer).post(address, {}, content_type="application/json")
    assert (answer.status_code, answer["Retry-After"]) == (429, "30")
    assert "cancel some" in answer.json()["detail"]


def test_a_page_says_why(world: World, login: Login, trial: Trial) -> None:
    client = login(world.maintainer)
    answer = client.post(f"/trials/{trial.pk}/remedies/")
    assert answer.status_code == 302
    page = client.get("/trials/").content.decode()
    assert "cancel some" in page
