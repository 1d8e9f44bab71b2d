"""Too many calls in a minute, counted in a real Redis."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.test import Client
from policy_world import World
from signed_in import Login

from tests.conftest import Redis


@pytest.fixture
def limited(redis: Redis, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = redis.url
    settings.LOCKSTEP_RATES = {"token": 3, "user": 3, "anonymous": 2}
    # The whole test in one minute, whenever it runs.
    monkeypatch.setattr("frontend.api.throttling.time.time", lambda: 600.5)


def test_each_person_has_calls_of_their_own(limited: None, world: World, login: Login) -> None:
    client = login(world.reviewer)
    statuses = [client.get("/api/v1/trees/").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = client.get("/api/v1/trees/")
    assert refused["Retry-After"] == "60"
    assert refused["Content-Type"] == "application/problem+json"
    assert login(world.maintainer).get("/api/v1/trees/").status_code == 200


def test_guessing_tokens_is_counted(limited: None, world: World) -> None:
    wrong = [Client(headers={"Authorization": f"Bearer lockstep_{n}"}) for n in range(3)]
    assert [client.get("/api/v1/trees/").status_code for client in wrong] == [401, 401, 429]


def test_nobody_waits_for_a_redis_that_is_gone(
    limited: None, redis: Redis, world: World, login: Login
) -> None:
    redis.stop()
    client = login(world.reviewer)
    assert {client.get("/api/v1/trees/").status_code for _ in range(5)} == {200}


def test_another_header_makes_nobody_another(
    limited: None, world: World, settings: LazySettings
) -> None:
    settings.LOCKSTEP_PROXIES = 1
    told = [f"198.51.100.{n}, 203.0.113.5" for n in range(3)]
    wrong = [Client(headers={"X-Forwarded-For": header}) for header in told]
    assert [client.get("/api/v1/trees/").status_code for client in wrong] == [401, 401, 429]
    other = Client(headers={"X-Forwarded-For": "203.0.113.6"})
    assert other.get("/api/v1/trees/").status_code == 401
