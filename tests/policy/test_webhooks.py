"""Webhooks: who may have which address told of what, and what is written down to be told."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st
from policy_world import World, person

from policy.errors import Forbidden, Invalid
from policy.messages import webhooks
from policy.models import AuditEntry, Delivery, Role
from policy.review import workflow

URL = "https://ci.example.org/lockstep?who=me"


@pytest.fixture
def world(db: None) -> World:
    return World()


@pytest.fixture
def administrator(world: World) -> User:
    return person("administrator", Role.ADMINISTRATOR)


def test_the_secret_is_told_once_and_not_kept(world: World, administrator: User) -> None:
    webhook, secret = webhooks.add(world.release.tree, administrator, URL, ["published"])
    webhook.refresh_from_db()
    kept = json.dumps(webhook.__dict__, default=str)
    assert secret not in kept
    assert webhooks.secret_of(webhook) == secret
    body, moment = b'{"a":1}', 1795390663
    expected = hmac.new(secret.encode(), b"1795390663." + body, hashlib.sha256).hexdigest()
    assert webhooks.signature(secret, body, moment) == f"t=1795390663,v1={expected}"


def test_only_administrators_of_the_tree_may(world: World, administrator: User) -> None:
    tree = world.release.tree
    webhook, _secret = webhooks.add(tree, administrator, URL, ["published"])
    delivery = webhooks.ping(webhook, administrator)
    before = AuditEntry.objects.count()
    for who in (world.maintainer, world.manager):
        for forbidden in (
            lambda who=who: webhooks.add(tree, who, URL, ["published"]),
            lambda who=who: webhooks.change(webhook, who, URL, ["published"]),
            lambda who=who: webhooks.remove(webhook, who),
            lambda who=who: webhooks.ping(webhook, who),
            lambda who=who: webhooks.repeat(delivery, who),
        ):
            with pytest.raises(Forbidden):
                forbidden()
    assert AuditEntry.objects.count() == before
    webhooks.change(webhook, administrator, f"{URL}2", ["trial-failed"])
    webhooks.remove(webhook, administrator)
    told = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))[-2:]
    assert told == ["change webhook", "remove webhook"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.org/",
        "http://example.org/",
        "https://",
        "https://user:secret@example.org/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org/a b",
        "https://example.org/#part",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::7f00:1]/",
        "https://[::7f00:1]/",
        "https://[::ffff:0:7f00:1]/",
        "https://[fec0::1]/",
        "https://0.0.0.0/",
        "https://169.254.169.254/latest",
        "https://[",
        f"https://example.org/{'a' * 500}",
    ],
)
def test_an_address_that_cannot_be(world: World, administrator: User, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        webhooks.add(world.release.tree, administrator, url, ["published"])
    assert refused.value.field == "url"


def test_a_private_network_can_be_allowed(world: World, administrator: User, settings: Any) -> None:
    settings.LOCKSTEP_WEBHOOK_NETWORKS = [ipaddress.ip_network("10.1.0.0/16")]
    tree = world.release.tree
    webhooks.add(tree, administrator, "http://10.1.2.3:8080/hook", ["published"])
    with pytest.raises(Invalid):
        webhooks.add(tree, administrator, "http://10.2.2.3/hook", ["published"])


@given(st.ip_addresses(v=4))
def test_what_wraps_an_address_does_not_hide_it(address: ipaddress.IPv4Address) -> None:
    wrapped = ipaddress.IPv6Address((0x0064FF9B << 96) | int(address))
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | int(address))
    if not webhooks.is_public(address):
        assert not webhooks.is_public(wrapped)
        assert not webhooks.is_public(mapped)


def test_what_is_told(world: World, administrator: User) -> None:
    tree = world.release.tree
    webhooks.add(tree, administrator, URL, ["published", "review-requested"])
    webhooks.add(tree, administrator, f"{URL}2", ["trial-failed"])
    revision = world.published()
    told = {item.event: json.loads(item.body) for item in Delivery.objects.all()}
    assert set(told) == {"review-requested", "published"}
    assert told["review-requested"]["reviewers"] == ["administrator", "other", "reviewer"]
    assert told["published"]["revision"] == {"number": 1, "digest": revision.digest}
    assert told["published"]["release"] == "down 1.2"
    assert told["published"]["change"]["status"] == "published"


def test_what_is_undone_is_not_told(world: World, administrator: User) -> None:
    webhooks.add(world.release.tree, administrator, URL, ["published"])
    change = world.in_review()
    with pytest.raises(Invalid):
        workflow.publish(change, world.manager)
    assert not Delivery.objects.exists()


def test_failed_trials_are_told_once(world: World, administrator: User) -> None:
    webhook, _secret = webhooks.add(world.release.tree, administrator, URL, ["trial-failed"])
    change = world.in_review()
    failed = [
        {"source": "a 1", "destination": "a 2", "machine_type": "m", "expected": "correct"}
        | {"outcome": "corrupt"}
    ]
    for _again in range(2):
        webhooks.tell_trials(change, failed)
    webhooks.tell_trials(change, [])
    [delivery] = webhook.deliveries.all()
    assert json.loads(delivery.body)["failed"] == failed


def test_the_past_is_bounded(world: World, administrator: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(webhooks, "KEPT", 3)
    webhook, _secret = webhooks.add(world.release.tree, administrator, URL, ["published"])
    for _number in range(6):
        webhooks.ping(webhook, administrator)
        webhook.deliveries.update(due_at=None)
    assert webhook.deliveries.count() == 3
