"""A tree's webhooks on their pages and in the API: who may, what is shown once, what is refused."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from policy_world import World, person
from signed_in import Login

from policy.messages import webhooks
from policy.models import Role, Webhook

PAGE, API = "/trees/down/webhooks/", "/api/v1/trees/down/webhooks/"
JSON = "application/json"
URL = "https://ci.example.org/hook"


@pytest.fixture
def administrator(world: World) -> User:
    return person("administrator", Role.ADMINISTRATOR)


@pytest.fixture
def webhook(world: World, administrator: User) -> Webhook:
    return webhooks.add(world.release.tree, administrator, URL, ["published"])[0]


def test_a_webhook_is_added_and_its_secret_shown_once(
    world: World, login: Login, administrator: User
) -> None:
    client = login(administrator)
    assert "Nobody is told yet" in client.get(PAGE).content.decode()
    page = client.post(PAGE, {"url": URL, "published": "on"}).content.decode()
    assert re.search(r"whsec_[0-9a-f]{64}", page)
    again = client.get(PAGE).content.decode()
    assert URL in again
    assert "whsec_" not in again


def test_what_is_wrong_stays_typed(world: World, login: Login, administrator: User) -> None:
    client = login(administrator)
    answer = client.post(PAGE, {"url": "https://10.0.0.1/x", "published": "on"})
    assert answer.status_code == 422
    assert "private network" in answer.content.decode()
    assert "https://10.0.0.1/x" in answer.content.decode()
    assert client.post(PAGE, {"url": URL}).status_code == 422
    assert not Webhook.objects.exists()


def test_one_is_tried_out_changed_and_removed(
    world: World, login: Login, administrator: User, webhook: Webhook
) -> None:
    client, page = login(administrator), f"{PAGE}{webhook.pk}/"
    assert "told nothing yet" in client.get(page).content.decode()
    client.post(f"{page}ping/")
    [delivery] = webhook.deliveries.all()
    assert "ping" in client.get(page).content.decode()
    assert client.post(f"{page}deliveries/{delivery.pk}/repeat/").status_code == 302
    client.post(f"{page}change/", {"url": f"{URL}2", "trial-failed": "on"})
    webhook.refresh_from_db()
    assert (webhook.url, webhook.events) == (f"{URL}2", ["trial-failed"])
    client.post(f"{page}remove/")
    assert client.get(page).status_code == 404


def test_nobody_else_sees_or_does_anything(
    world: World, login: Login, administrator: User, webhook: Webhook
) -> None:
    delivery = webhooks.ping(webhook, administrator)
    for name in ("maintainer", "reviewer", "manager"):
        client = login(getattr(world, name))
        own, api = f"{PAGE}{webhook.pk}/", f"{API}{webhook.pk}/"
        assert {client.get(address).status_code for address in (PAGE, own, API, api)} == {403}
        for rest in ("ping/", "remove/", "change/", f"deliveries/{delivery.pk}/repeat/"):
            assert client.post(f"{own}{rest}").status_code == 403
        assert client.delete(api).status_code == 403
    elsewhere = person("elsewhere", Role.ADMINISTRATOR, tree="up")
    assert login(elsewhere).get(PAGE).status_code == 403
    assert Webhook.objects.count() == 1


def test_through_the_api(world: World, login: Login, administrator: User) -> None:
    client = login(administrator)
    answer = client.post(API, {"url": URL, "events": ["published"]}, content_type=JSON)
    assert answer.status_code == 201
    assert answer.json()["secret"].startswith("whsec_")
    own = answer["Location"]
    assert "secret" not in client.get(own).json()
    assert client.post(f"{own}ping/").status_code == 202
    [told] = client.get(f"{own}deliveries/").json()["results"]
    assert (
        client.post(f"{own}deliveries/{told['id']}/repeat/").json()["identity"]
        == (told["identity"])
    )
    wrong = client.put(own, {"url": "ftp://x", "events": ["published"]}, content_type=JSON)
    assert wrong.json()["field"] == "url"
    assert client.delete(own).status_code == 204
    assert client.get(API).json()["results"] == []
