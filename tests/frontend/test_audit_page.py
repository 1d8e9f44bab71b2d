"""The audit log as a page."""

from __future__ import annotations

from policy_world import World, person
from signed_in import Login

from frontend.shown.auditing import Line, difference


def test_filters_and_differences(world: World, login: Login) -> None:
    change = world.in_review()
    world.edit(change, world.maintainer)
    client = login(world.reviewer)
    page = client.get("/audit/").content.decode()
    assert "submit" in page
    by_person = client.get("/audit/?actor=nobody-known").content.decode()
    assert "Nothing fits" in by_person
    mine = client.get(f"/audit/?object_type=policy.changerequest&object_id={change.pk}")
    assert "open" in mine.content.decode()
    assert "foo.speed" in mine.content.decode()


def test_only_members_read_it(world: World, login: Login) -> None:
    assert login(person("nobody")).get("/audit/").status_code == 403


def test_the_log_makes_few_queries(
    world: World, login: Login, django_assert_max_num_queries: object
) -> None:
    client = login(world.reviewer)
    for value in range(20):
        world.edit(world.change(), world.maintainer, str(value))
    client.get("/audit/")
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        client.get("/audit/")


def test_a_difference_names_each_value() -> None:
    assert difference({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}], "c": True}) == [
        Line("a[1].b", "x", "y"),
        Line("c", None, "True"),
    ]
    assert difference(None, None) == []
