"""Tokens in the API and on their page: what each may do, and that none may do more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from policy_world import World, person
from signed_in import Login

from frontend.api.scopes import ACTIONS, SCOPES, SESSION, scope_of
from frontend.api.urls import urlpatterns
from policy import tokens
from policy.models import AuditEntry, Role, Token
from policy.review.checking import today

JSON = "application/json"
METHODS = ("get", "post", "put", "patch", "delete")
#: What stands for each part of an address.
_NAMES = ("pk", "tree", "version", "number", "name", "driver", "position", "thread", "comment")
PARTS = dict.fromkeys((*_NAMES, "identity", "serial", "slug", "delivery", "key"), "1")


def bearer(user: User, *scopes: str) -> Client:
    """A client that carries a token of the person."""
    secret = tokens.issue(user, "test", scopes, today() + timedelta(days=1))[1]
    return Client(headers={"Authorization": f"Bearer {secret}"}, enforce_csrf_checks=True)


def routes() -> Iterator[tuple[str, str, str]]:
    """Method, name and an example of every address; one for each action that asks for its own."""
    for pattern in urlpatterns:
        for action in ("submit", *ACTIONS) if pattern.name == "api-change-action" else ("reply",):
            parts = {**PARTS, "action": action}
            address = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern)).format(**parts)
            view = pattern.callback.view_class  # type: ignore[attr-defined]
            for method in METHODS:
                if hasattr(view, method):
                    yield method, str(pattern.name), f"/api/v1/{address}"


def test_every_address_that_writes_has_a_scope_and_no_other_has() -> None:
    assert {name for method, name, _ in routes() if method != "get"} == set(SCOPES)


@pytest.mark.parametrize("held", ["", "write", "review", "publish"])
def test_a_token_reaches_what_its_scopes_name_and_nothing_else(db: None, held: str) -> None:
    user = person("all", Role.ADMINISTRATOR, is_superuser=True)
    client = bearer(user, *[held] * bool(held))
    for method, name, address in routes():
        action = address.rstrip("/").rpartition("/")[2]
        needed = scope_of(method.upper(), name, action)
        if name == "api-token" and method == "delete":
            continue  # it would revoke itself; tested below
        answer = getattr(client, method)(address, content_type="application/json")
        lacking = answer.status_code == 403 and "oken" in answer.json()["detail"]
        assert lacking == (needed not in ("read", held)), (method, address, answer.status_code)


def test_a_token_does_no_more_than_its_person(world: World) -> None:
    change = world.approved()
    address = f"/api/v1/changes/{change.pk}/publish/"
    everything = ("write", "review", "publish")
    assert bearer(world.maintainer, *everything).post(address, content_type=JSON).status_code == 403
    assert bearer(person("nobody"), *everything).get("/api/v1/trees/").status_code == 403
    assert bearer(world.manager, "write").post(address, content_type=JSON).status_code == 403
    published = bearer(world.manager, "publish").post(address, content_type="application/json")
    assert published.json()["status"] == "published"


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer", "Bearer \xe9", "bearer lockstep_x y", "Basic eDp5"]
)
def test_who_is_nobody(db: None, header: str) -> None:
    answer = Client(headers={"Authorization": header}).get("/api/v1/trees/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer["Content-Type"] == "application/problem+json"


def test_a_token_opens_no_page(world: World) -> None:
    assert bearer(world.maintainer, "write").get("/changes/").status_code == 302


def test_tokens_are_made_with_a_session_alone(world: World, login: Login) -> None:
    data = {"name": "build", "scopes": ["review"]}
    address, kind = "/api/v1/tokens/", "application/json"
    assert bearer(world.maintainer, "write").post(address, data, kind).status_code == 403
    made = login(world.maintainer).post(address, data, kind)
    assert made.status_code == 201
    token = made.json()
    assert token["scopes"] == ["read", "review"]
    assert made["Location"] == f"/api/v1/tokens/{token['id']}/"
    client = Client(headers={"Authorization": f"Bearer {token['secret']}"})
    me = client.get("/api/v1/me/").json()
    assert (me["username"], me["token"]["name"]) == ("maintainer", "build")
    assert me["roles"] == [{"tree": "down", "role": "maintainer"}]
    listed = client.get(f"{address}?search=build").json()["results"]
    assert "secret" not in listed[0]
    assert listed[0]["last_used_at"] is not None


def test_a_token_revokes_itself_and_no_other(world: World, login: Login) -> None:
    client, other = bearer(world.maintainer), bearer(world.maintainer)
    first, second = Token.objects.order_by("pk")
    assert client.delete(f"/api/v1/tokens/{second.pk}/").status_code == 403
    assert client.delete(f"/api/v1/tokens/{first.pk}/").status_code == 204
    assert client.get("/api/v1/trees/").status_code == 401
    assert login(world.reviewer).delete(f"/api/v1/tokens/{second.pk}/").status_code == 404
    assert login(world.maintainer).delete(f"/api/v1/tokens/{second.pk}/").status_code == 204
    assert other.get("/api/v1/trees/").status_code == 401


def form(**changed: Any) -> dict[str, Any]:
    return {"name": "ci", "write": "on", "expires": today() + timedelta(days=9), **changed}


def test_the_page_shows_a_secret_once(world: World, login: Login) -> None:
    client = login(world.maintainer)
    answer = client.post("/accounts/tokens/", form())
    secret = re.search(r"lockstep_[\w-]+", answer.content.decode())
    assert secret is not None
    assert "no-store" in answer["Cache-Control"]
    found = tokens.find(secret[0])
    assert found is not None
    assert found.scopes == ["read", "write"]
    again = client.get("/accounts/tokens/").content.decode()
    assert secret[0] not in again
    assert f"…{secret[0][-4:]}" in again


def test_the_page_refuses_and_revokes(world: World, login: Login) -> None:
    client = login(world.maintainer)
    late = client.post("/accounts/tokens/", form(expires=today() + timedelta(days=999)))
    assert (late.status_code, Token.objects.count()) == (422, 0)
    client.post("/accounts/tokens/", form())
    token = Token.objects.get()
    address = f"/accounts/tokens/{token.pk}/revoke/"
    assert login(world.reviewer).post(address).status_code == 404
    assert client.post(address).status_code == 302
    token.refresh_from_db()
    assert not token.is_valid
    newest = AuditEntry.objects.first()
    assert newest is not None
    assert newest.action == "revoke token"


def test_what_lets_nobody_write_without_a_scope() -> None:
    assert scope_of("POST", "an-address-that-is-new") == SESSION
