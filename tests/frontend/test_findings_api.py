"""Findings as programs read them: in pages, counted, and only those that are asked for."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from policy_world import MACHINES, World
from signed_in import Login

from frontend.api.schema import document
from policy import edits
from policy.findings.finding import SEVERITIES
from policy.models import ChangeRequest
from policy.review import examining


@pytest.fixture
def change(world: World) -> ChangeRequest:
    """One whose draft has findings of two severities."""
    world.published()
    edited = world.edit(world.change(), world.maintainer, "7")
    return edits.add_entry(edited, world.maintainer, 2, MACHINES[0], "none", "such", "1")


def asked(login: Login, world: World, change: ChangeRequest, query: str = "") -> Any:
    return login(world.reviewer).get(f"/api/v1/changes/{change.pk}/findings/?{query}").json()


def test_pages_hold_all_of_them_in_their_order(
    world: World, login: Login, change: ChangeRequest
) -> None:
    wanted = [item.finding.identity for item in examining.findings_of(change)]
    assert len(wanted) > 1
    found: list[str] = []
    page: dict[str, Any] = {"next": "?page=1"}
    while page["next"]:
        page = asked(login, world, change, f"page_size=1&page={len(found) + 1}")
        found += [item["id"] for item in page["results"]]
        assert page["count"] == len(wanted)
        assert sum(page["counts"].values()) == len(wanted)
    assert found == wanted


def test_each_filter_leaves_those_that_fit(
    world: World, login: Login, change: ChangeRequest
) -> None:
    every = asked(login, world, change)["results"]
    unknown = next(item for item in every if item["code"] == "unknown-driver")
    fitting = {
        f"severity={unknown['severity']}": lambda item: item["severity"] == unknown["severity"],
        "severity=error&severity=note": lambda item: item["severity"] in ("error", "note"),
        "code=unknown-driver": lambda item: item["code"] == "unknown-driver",
        f"machine_type={MACHINES[0]}": lambda item: MACHINES[0] in (
            item["place"]["machine_type"], *item["machine_types"]
        ),
        "device=none": lambda item: "none" in (item["place"]["device"], *item["devices"]),
        "partner=down+1.2": lambda item: item["partner"] == "down 1.2",
        "waived=false": lambda item: True,
        "waived=true": lambda item: False,
        "blocks=true": lambda item: item["blocks"],
        "q=no-such-word": lambda item: False,
    }  # fmt: skip
    for query, fits in fitting.items():
        told = asked(login, world, change, query)
        assert told["results"] == [item for item in every if fits(item)], query
        assert sum(told["counts"].values()) == len(every)


@pytest.mark.parametrize(
    "query", ["severity=bad", "code=bad", "waived=bad", "blocks=2", "page_size=0"]
)
def test_a_filter_that_cannot_be_is_named(
    world: World, login: Login, change: ChangeRequest, query: str
) -> None:
    told = asked(login, world, change, query)
    assert told["status"] == 422
    assert told["errors"].keys() == {query.partition("=")[0]}


def test_its_description_names_every_part() -> None:
    parts = document()["components"]["schemas"]
    assert set(parts["Finding"]["properties"]) == set(parts["Finding"]["required"])
    page = parts["PaginatedFindingList"]["properties"]
    assert page["results"]["items"] == {"$ref": "#/components/schemas/Finding"}
    assert list(page["counts"]["properties"]) == list(SEVERITIES)


def test_of_c_sources_it_tells_a_page_and_what_is_new(world: World, login: Login) -> None:
    world.published()
    source = b'GlobalProperty pc_down_compat[] = { { "none", "such", "5" }, };'

    def told(query: str) -> Any:
        sent = {"sources": SimpleUploadedFile("a.c", source)}
        address = f"/api/v1/releases/down/1.2/findings/?{query}"
        return login(world.maintainer).post(address, sent).json()["findings"]

    every = told("")
    new = told("new=true")
    assert new["count"] > 0
    assert new["results"] == [item for item in every["results"] if item["new"]]
    assert new["counts"] == every["counts"]
    one = told("new=true&page_size=1")
    assert one["results"] == new["results"][:1]
    assert (one["next"] is None) == (new["count"] == 1)
