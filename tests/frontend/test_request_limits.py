"""What is larger than an address takes is refused before anything of it is read."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from policy_world import World
from signed_in import Login


class Unread(io.RawIOBase):
    """A body of which nobody may read a byte."""

    def read(self, *args: Any) -> bytes:
        raise AssertionError("The body was read.")


def announced(client: Client, address: str, kind: str, size: int) -> Any:
    extra: dict[str, Any] = {"CONTENT_LENGTH": str(size), "wsgi.input": Unread()}
    return client.generic("POST", address, b"", kind, **extra)


FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/accounts/login/", FORM),
        ("/changes/new/", FORM),
        ("/imports/new/", FORM),
        ("/compare/", FORM),
        ("/nowhere/", FORM),
        ("/api/v1/changes/", "application/json"),
        ("/api/v1/imports/", FORM),
        ("/api/v1/releases/down/1.2/findings/", FORM),
    ],
)
def test_a_body_without_bounds_is_not_read(
    world: World, login: Login, address: str, kind: str
) -> None:
    answer = announced(login(world.maintainer), address, kind, 10**12)
    assert answer.status_code == 413


def test_nobody_fills_the_disk_by_the_sign_in_page(db: None) -> None:
    size = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
    assert announced(Client(), "/accounts/login/", FORM, size).status_code == 413


def test_a_program_is_told_in_json(world: World, login: Login) -> None:
    answer = announced(login(world.maintainer), "/api/v1/changes/", "application/json", 10**9)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "The request is too large."
