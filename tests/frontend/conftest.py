"""A small world of policies (tests/policy/policy_world.py), and people who are signed in to it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

sys.path.append(str(Path(__file__).resolve().parents[1] / "policy"))

from policy_world import World
from signed_in import Login


@pytest.fixture
def world(db: None) -> World:
    return World()


@pytest.fixture
def login() -> Login:
    """A client of its own for each person."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in
