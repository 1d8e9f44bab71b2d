"""Bundles through the API: one of them, the latest, what differs, revoking, the index."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from policy_world import World
from signed_in import Login

from policy.models import AuditEntry, Bundle
from policy.publishing import bundle, signing
from tests.policy.signing_keys import TestKey, made_key

RELEASE = "/api/v1/bundles/down/1.2/"
JSON = "application/json"


@pytest.fixture
def stored(world: World) -> Bundle:
    return bundle.store(world.published())


@pytest.fixture(scope="module")
def key() -> Iterator[TestKey]:
    with made_key() as made:
        yield made


def test_a_bundle_tells_its_files(world: World, login: Login, stored: Bundle) -> None:
    told = login(world.reviewer).get(f"{RELEASE}r1/").json()
    assert told["sha256"] == stored.sha256
    assert told["revocation"] is None
    assert told["signatures"] == []
    assert {"manifest.json", "MANIFEST.sha256"} <= {item["path"] for item in told["files"]}


def test_the_latest_is_the_newest_that_holds(world: World, login: Login, stored: Bundle) -> None:
    client, newer = login(world.reviewer), bundle.store(world.published_again())
    assert client.get(f"{RELEASE}latest/").json()["revision"] == 2
    signing.revoke(newer, world.manager, "Wrong value.")
    assert client.get(f"{RELEASE}latest/").json()["revision"] == 1
    assert client.get("/api/v1/bundles/down/9.9/latest/").status_code == 404


def test_two_bundles_are_compared(world: World, login: Login, stored: Bundle) -> None:
    bundle.store(world.published_again())
    client = login(world.reviewer)
    told = client.get(f"{RELEASE}differences/?from=1&to=2").json()
    assert [item["kind"] for item in told["decisions"]] == ["changed"]
    assert set(told["files"].values()) == {"changed"}
    assert client.get(f"{RELEASE}differences/?from=1").json()["field"] == "to"
    assert client.get(f"{RELEASE}differences/?from=1&to=7").status_code == 404


def test_only_a_release_manager_revokes(world: World, login: Login, stored: Bundle) -> None:
    address, reason = f"{RELEASE}r1/revoke/", {"reason": "Breaks guests."}
    refused = login(world.reviewer).post(address, reason, content_type=JSON)
    assert refused.status_code == 403
    assert not AuditEntry.objects.filter(action="revoke bundle").exists()
    client = login(world.manager)
    assert client.post(address, {"reason": " "}, content_type=JSON).status_code == 422
    told = client.post(address, reason, content_type=JSON).json()
    assert told["revocation"]["reason"] == "Breaks guests."
    assert AuditEntry.objects.filter(action="revoke bundle").count() == 1
    gone = client.get(f"{RELEASE}r1/download")
    assert gone.status_code == 410
    assert "Breaks guests." in gone.json()["detail"]
    assert client.get(f"{RELEASE}r1/download.asc").status_code == 410


def test_a_signature_has_to_be_one(world: World, login: Login, stored: Bundle) -> None:
    answer = login(world.manager).post(
        f"{RELEASE}r1/sign/", {"signature": "no signature"}, content_type=JSON
    )
    assert answer.status_code == 422
    assert login(world.manager).get(f"{RELEASE}r1/download.asc").status_code == 404


def test_the_index_is_told(world: World, login: Login, stored: Bundle) -> None:
    client = login(world.reviewer)
    assert client.get("/api/v1/bundles/index.json").status_code == 404
    signing.renew_index()
    assert client.get("/api/v1/bundles/index.json").json()["serial"] == 1
    assert client.get("/api/v1/bundles/index.json.asc").status_code == 404


def test_an_index_is_signed_offline(
    world: World, login: Login, stored: Bundle, key: TestKey
) -> None:
    signing.add_key(key.public, None)
    client, state = login(world.manager), "/api/v1/bundles/index/"
    assert client.get(state).json() == {"published": None, "waiting": None}
    signing.renew_index()
    assert client.get(state).json()["waiting"]["serial"] == 1
    waiting = client.get("/api/v1/bundles/index-1.json").content
    sign = "/api/v1/bundles/index-1/sign/"
    wrong = {"signature": key.sign(b"something else").decode()}
    assert client.post(sign, wrong, content_type=JSON).status_code == 422
    right = {"signature": key.sign(waiting).decode()}
    assert login(world.reviewer).post(sign, right, content_type=JSON).status_code == 403
    told = client.post(sign, right, content_type=JSON).json()
    assert (told["published"]["serial"], told["waiting"]) == (1, None)
    assert client.get("/api/v1/bundles/index.json").content == waiting
    assert client.get("/api/v1/bundles/index-7.json").status_code == 404
