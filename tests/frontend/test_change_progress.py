"""What a change request's page shows by itself while something of it is worked on."""

from __future__ import annotations

import pytest
from policy_world import World
from signed_in import Login

from workers import jobs, tasks


def test_the_checklist_comes_along_with_the_trials(world: World, login: Login) -> None:
    change = world.approved()
    for person, has_button in ((world.manager, True), (world.reviewer, False)):
        polled = login(person).get(f"/changes/{change.pk}/trials/").content.decode()
        assert 'id="checklist" hx-swap-oob="true"' in polled
        assert ('id="publish"' in polled) is has_button


def test_the_way_to_the_bundle_appears_when_it_is_built(world: World, login: Login) -> None:
    revision = world.published()
    address = f"/changes/{revision.change_request.pk}/"
    client = login(world.manager)
    waiting = client.get(address).content.decode()
    assert f'data-live="{address}published/"' in waiting
    assert "To its bundle" not in waiting
    tasks.execute(jobs.jobs_of(revision).get().pk, tasks.build_bundle)
    built = client.get(f"{address}published/").content.decode()
    assert "To its bundle" in built
    assert "hx-get" not in built


@pytest.mark.parametrize("part", ["trials/", "published/"])
def test_whoever_has_no_role_polls_nothing(world: World, login: Login, part: str) -> None:
    change, nobody = world.change(), world.maintainer
    nobody.memberships.all().delete()
    assert login(nobody).get(f"/changes/{change.pk}/{part}").status_code == 404
