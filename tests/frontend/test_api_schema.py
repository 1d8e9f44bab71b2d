"""The OpenAPI description: without a warning, of every address, and true of the lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from policy_world import World
from signed_in import Login

from frontend.api.schema import document, operations

#: What may hold anything: its members depend on what it is about.
ANYTHING = {
    "Audit.before",
    "Audit.after",
    "Job.result",
    # As -dump-vmstate tells a section.
    "Graft.description",
    "PolicyDocument.backports[].grafts[].description",
    # A device, a section, a version.
    "TrialInputs.relaxed[][]",
    # A file, handed out to the byte as it was signed.
    "/api/v1/bundles/index.json",
    "/api/v1/bundles/index-{serial}.json",
}
LISTS = ("trees", "releases", "changes", "trials", "bundles", "jobs", "audit", "tokens")


def test_it_is_valid_and_made_without_a_warning() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())


def test_every_call_tells_its_scope_its_problems_and_what_it_is_for() -> None:
    names = set()
    for path, method, operation in operations(document()):
        assert operation["x-scope"], path
        assert operation["description"], path
        assert {"401", "403", "404", "429"} <= set(operation["responses"]), path
        assert {"get": True, "delete": True}.get(method, "415" in operation["responses"]), path
        assert operation["operationId"] not in names
        names.add(operation["operationId"])
    assert len(names) > 40


def parts(schema: dict[str, Any], place: str, seen: set[str]) -> Iterator[tuple[str, Any]]:
    """Every part of an answer that has no parts itself, and its place in it."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        if name not in seen:
            seen.add(name)
            yield from parts(document()["components"]["schemas"][name], name, seen)
        return
    members = [(f"{place}.{name}", of) for name, of in schema.get("properties", {}).items()]
    inside = [*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())]
    members += [(place, of) for of in inside]
    members += [(f"{place}[]", schema["items"])] if "items" in schema else []
    if isinstance(others := schema.get("additionalProperties"), dict) and others:
        members.append((f"{place}.*", others))
    if not members:
        yield place, schema
    for there, of in members:
        yield from parts(of, there, seen)


def answers() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Address, method and shape of every answer of JSON that is no problem."""
    for path, method, operation in operations(document()):
        for response in operation["responses"].values():
            content = response.get("content", {}).get("application/json")
            if content is not None:
                yield path, method, content["schema"]


def test_every_list_comes_in_pages() -> None:
    assert [path for path, method, shape in answers() if method == "get" and "items" in shape] == []


def test_what_an_answer_holds_is_told_to_its_last_part() -> None:
    seen: set[str] = set()
    untold = {
        place
        for path, _method, shape in answers()
        for place, part in parts(shape, path, seen)
        if part.get("type", "object") == "object" and "enum" not in part
    }
    assert untold == ANYTHING


def test_it_is_told_to_whoever_is_signed_in(world: World, login: Login) -> None:
    answer = login(world.reviewer).get("/api/v1/schema/?format=json")
    told: dict[str, Any] = json.loads(answer.content)
    assert told["paths"].keys() == document()["paths"].keys()
    assert set(told["components"]["securitySchemes"]) == {"token", "cookieAuth"}


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_paged_searched_and_ordered_as_described(
    world: World, login: Login, name: str
) -> None:
    world.published()
    client = login(world.maintainer)
    described = document()["paths"][f"/api/v1/{name}/"]["get"]["parameters"]
    known = {item["name"]: item for item in described}
    assert {"page", "page_size", "search", "ordering"} <= set(known)
    address = f"/api/v1/{name}/"
    assert client.get(f"{address}?page_size=1").json()["results"][1:] == []
    assert client.get(f"{address}?search=no-such-word-anywhere").json()["count"] == 0
    fields = known["ordering"]["schema"]["pattern"].split("(")[2].split(")")[0].split("|")
    for field in fields:
        up, down = (client.get(f"{address}?ordering={sign}{field}") for sign in ("", "-"))
        assert up.json()["count"] == down.json()["count"]


def test_the_handbook_shows_every_call(world: World, login: Login) -> None:
    client = login(world.reviewer)
    index = client.get("/api/").content.decode()
    groups = {operation["tags"][0] for _path, _method, operation in operations(document())}
    pages = {name: client.get(f"/api/?group={name}").content.decode() for name in groups}
    for path, method, operation in operations(document()):
        group, identity = operation["tags"][0], operation["operationId"]
        assert f"?group={group}#{identity}" in index, (path, method)
        assert f'id="{identity}"' in pages[group], (path, method)
    for text in (index, *pages.values()):
        assert "<script>" not in text
        assert " style=" not in text
        for shape in re.findall(r'href="#(shape-\w+)"', text):
            assert f'id="{shape}"' in text
    assert client.get("/api/?group=nothing").status_code == 404
