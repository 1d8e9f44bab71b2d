"""Odd addresses and outsiders: an answer, never a fault of the program, and nothing told."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from policy_world import World
from signed_in import Login


@pytest.mark.parametrize("address", ["/search/?q=%00", "/releases/%00/1/", "/features/?q=a%00b"])
def test_a_nul_in_an_address_is_bad_input(world: World, login: Login, address: str) -> None:
    assert login(world.maintainer).get(address).status_code == 400


def test_the_sidebar_tells_an_outsider_nothing(world: World, login: Login) -> None:
    outsider = User.objects.create_user("outsider")
    page = login(outsider).get("/").content.decode()
    assert world.release.label not in page
    assert '<span class="count">' not in page


def test_trials_of_a_closed_change_are_not_run(world: World, login: Login) -> None:
    revision = world.published()
    address = f"/changes/{revision.change_request.pk}/run-trials/"
    assert login(world.maintainer).post(address).status_code == 422
