"""Roles are held per tree, each on its own."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from policy_world import person

from machines.models import Tree
from policy.errors import Forbidden
from policy.models import Role
from policy.permissions import ROLES, may, require, trees_where

pytestmark = pytest.mark.django_db

ALLOWED = {
    Role.VIEWER: {"view"},
    Role.MAINTAINER: {"view", "edit", "import"},
    Role.REVIEWER: {"view", "review"},
    Role.RELEASE_MANAGER: {"view", "publish", "import"},
    Role.ADMINISTRATOR: set(ROLES),
}


@pytest.mark.parametrize("role", Role)
def test_what_a_role_allows(role: Role) -> None:
    user = person("someone", role)
    tree, elsewhere = Tree.objects.get(name="down"), Tree.objects.create(name="elsewhere")
    assert {action for action in ROLES if may(user, action, tree)} == ALLOWED[role]
    assert {action for action in ROLES if may(user, action, elsewhere)} == {"view"}
    for action in ROLES:
        expected = {tree.pk} if action in ALLOWED[role] else set()
        everywhere = {tree.pk, elsewhere.pk}
        assert trees_where(user, action) == (everywhere if action == "view" else expected)


def test_a_stranger_and_a_locked_account_may_nothing() -> None:
    tree = Tree.objects.create(name="down")
    locked = person("locked", *Role, is_active=False)
    for user in (AnonymousUser(), person("stranger"), locked):
        assert not any(may(user, action, tree) for action in ROLES)
        assert not any(trees_where(user, action) for action in ROLES)


def test_a_superuser_holds_every_role() -> None:
    tree = Tree.objects.create(name="down")
    root = person("root", is_superuser=True)
    assert all(may(root, action, tree) for action in ROLES)


def test_a_refusal_is_a_sentence() -> None:
    with pytest.raises(Forbidden, match="edit policies of the tree 'down'"):
        require(person("someone", Role.VIEWER), "edit", Tree.objects.get(name="down"))


def test_an_unknown_action_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="no action"):
        may(AnonymousUser(), "delete", None)
