"""A tree's page: what it promises, said by its administrators, read by everybody."""

from __future__ import annotations

import pytest
from policy_world import World, person
from signed_in import Login

from policy.models import Role, TreePromises

pytestmark = pytest.mark.django_db
PAGE = "/trees/down/"
API = "/api/v1/trees/down/promises/"


def test_everybody_reads_it_and_only_administrators_have_a_form(world: World, login: Login) -> None:
    seen = login(world.reviewer).get(PAGE).content.decode()
    assert "Promised migrations" in seen and 'name="older"' not in seen
    head = login(person("head", Role.ADMINISTRATOR)).get(PAGE).content.decode()
    assert 'name="older"' in head
    assert login(world.reviewer).post(PAGE, {"set": "usual"}).status_code == 403


def test_it_is_set_and_given_back(world: World, login: Login) -> None:
    client = login(person("head", Role.ADMINISTRATOR))
    values = {"set": "promises", "older": "3", "back": "0", "majors": "none"}
    assert client.post(PAGE, values).status_code == 302
    row = TreePromises.objects.get()
    assert (row.older, row.back, row.majors) == (3, 0, "none")
    assert client.post(PAGE, {"set": "usual"}).status_code == 302
    assert not TreePromises.objects.exists()


def test_what_is_not_possible_is_said_at_its_field_and_kept(world: World, login: Login) -> None:
    client = login(person("head", Role.ADMINISTRATOR))
    answer = client.post(PAGE, {"set": "promises", "older": "77", "back": "1", "majors": "both"})
    assert answer.status_code == 422
    assert "77 is not one of the available choices" in answer.content.decode()
    assert not TreePromises.objects.exists()


def test_the_api_reads_sets_and_gives_back(world: World, login: Login) -> None:
    read = login(world.reviewer).get(API).json()
    assert read["usual"] is True and read["majors"] == "forward"
    head = login(person("head", Role.ADMINISTRATOR))
    wanted = {"older": None, "back": 2, "majors": "both"}
    told = head.put(API, wanted, content_type="application/json").json()
    assert told == {**wanted, "usual": False}
    assert head.delete(API).json()["usual"] is True
    refused = login(world.reviewer).put(API, wanted, content_type="application/json")
    assert refused.status_code == 403
    wrong = head.put(API, {**wanted, "back": 10}, content_type="application/json")
    assert wrong.status_code == 422 and "back" in wrong.content.decode()
