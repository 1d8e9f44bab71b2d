"""Tokens: issued once, kept hashed, valid for a while, and never more than their person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from policy_world import person

from policy import tokens
from policy.errors import Forbidden, Invalid
from policy.models import AuditEntry, Role, Token
from policy.review.checking import today

TOMORROW = today() + timedelta(days=1)


@pytest.fixture
def user(db: None) -> User:
    return person("maintainer", Role.MAINTAINER)


def test_the_secret_is_told_once_and_only_its_digest_kept(user: User) -> None:
    token, secret = tokens.issue(user, "build", ["write"], TOMORROW)
    assert secret.startswith(tokens.PREFIX)
    assert token.scopes == ["read", "write"]
    row = str(Token.objects.values().get())
    assert secret not in row
    assert secret.removeprefix(tokens.PREFIX) not in row
    assert tokens.find(secret) == token
    assert tokens.find(secret[:-1]) is None


def test_two_tokens_are_different(user: User) -> None:
    made = {tokens.issue(user, "same", [], TOMORROW)[1] for _ in range(3)}
    assert len(made) == 3


def test_what_opens_nothing(user: User) -> None:
    revoked, first = tokens.issue(user, "revoked", [], TOMORROW)
    tokens.revoke(revoked, user)
    expired, second = tokens.issue(user, "expired", [], TOMORROW)
    Token.objects.filter(pk=expired.pk).update(expires=today() - timedelta(days=1))
    _, third = tokens.issue(user, "of somebody who left", [], today())
    assert tokens.find(third) is not None
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert [tokens.find(secret) for secret in (first, second, third)] == [None] * 3
    assert {token.name for token in tokens.past(user)} == {"revoked", "expired"}


def test_its_last_use_is_noted_once_a_minute(user: User, django_assert_num_queries: object) -> None:
    token, secret = tokens.issue(user, "build", [], TOMORROW)
    assert token.last_used_at is None
    tokens.find(secret)
    token.refresh_from_db()
    assert token.last_used_at is not None
    with django_assert_num_queries(1):  # type: ignore[operator]
        tokens.find(secret)
    Token.objects.update(last_used_at=timezone.now() - tokens.GRAIN * 2)
    tokens.find(secret)
    token.refresh_from_db()
    assert timezone.now() - token.last_used_at < tokens.GRAIN


@pytest.mark.parametrize(
    ("name", "scopes", "days", "field"),
    [
        (" ", [], 1, "name"),
        ("x" * 101, [], 1, "name"),
        ("x", ["everything"], 1, "scopes"),
        ("x", [], -1, "expires"),
        ("x", [], tokens.MOST_DAYS + 1, "expires"),
    ],
)
def test_what_is_not_issued(
    user: User, name: str, scopes: list[str], days: int, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        tokens.issue(user, name, scopes, today() + timedelta(days=days))
    assert refused.value.field == field
    assert not Token.objects.exists()


def test_nobody_hoards_tokens(user: User) -> None:
    made = [tokens.issue(user, "x", [], TOMORROW)[0] for _ in range(tokens.MOST_TOKENS)]
    with pytest.raises(Invalid, match="revoke one first"):
        tokens.issue(user, "x", [], TOMORROW)
    tokens.revoke(made[0], user)
    tokens.issue(user, "x", [], TOMORROW)


def test_its_person_or_a_superuser_revokes_it(user: User) -> None:
    token, _ = tokens.issue(user, "build", [], TOMORROW)
    with pytest.raises(Forbidden):
        tokens.revoke(token, person("stranger", Role.ADMINISTRATOR))
    tokens.revoke(token, person("root", is_superuser=True))
    tokens.revoke(token, user)
    told = AuditEntry.objects.order_by("id").values_list("action", "actor")
    assert list(told) == [("issue token", "maintainer"), ("revoke token", "root")]


def test_an_administrator_of_the_service_revokes_one_that_leaked(user: User) -> None:
    token, secret = tokens.issue(user, "leaked", ["write"], TOMORROW)
    client = Client()
    client.force_login(person("root", is_superuser=True, is_staff=True))
    address = "/admin/policy/token/"
    assert token.digest not in client.get(f"{address}{token.pk}/change/").content.decode()
    chosen = {"action": "revoke", "_selected_action": [token.pk]}
    assert client.post(address, chosen).status_code == 302
    assert tokens.find(secret) is None
    assert AuditEntry.objects.filter(action="revoke token", actor="root").exists()
