"""The made-up people: a few of each role in every tree, and one who only looks."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

from machines.models import Tree
from policy.models import Membership, Role
from workers.sample import write_logins

LOGINS = "large-sample-logins.txt"
#: Role → how many people hold it; each holds it in all trees.
NUMBERS = {
    Role.VIEWER: 1,
    Role.MAINTAINER: 6,
    Role.REVIEWER: 6,
    Role.RELEASE_MANAGER: 2,
    Role.ADMINISTRATOR: 1,
}


def name_of(role: str, number: int) -> str:
    """``maintainer``, ``maintainer-2``, …: the login names of a role."""
    return role if number == 1 else f"{role}-{number}"


def names() -> dict[str, str]:
    """Login name → role of everybody."""
    return {
        name_of(role, number): role
        for role, several in NUMBERS.items()
        for number in range(1, several + 1)
    }


def taken() -> frozenset[str]:
    """The login names that other people have already."""
    found = User.objects.filter(username__in=names())
    return frozenset(found.values_list("username", flat=True))


def make() -> Path:
    """Make the people. They share a generated password; returns the file that has it."""
    password = secrets.token_urlsafe(12)
    # Hashed once: it takes a tenth of a second each.
    hashed = make_password(password)
    users = User.objects.bulk_create(User(username=name, password=hashed) for name in names())
    path = Path(settings.VAR_DIR) / LOGINS
    write_logins(path, {user.username: password for user in users})
    return path


def join(tree: Tree) -> None:
    """Give everybody their role in a tree."""
    users = User.objects.in_bulk(field_name="username")
    Membership.objects.bulk_create(
        Membership(user=users[name], tree=tree, role=role) for name, role in names().items()
    )
