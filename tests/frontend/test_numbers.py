"""Numbers in addresses and forms: what is none is answered as such, never by a fault."""

import pytest
from django.test import Client
from policy_world import World

from frontend.numbers import number_of

NO_NUMBERS = ["²", "٣", "-1", "1e5", "9" * 400, "\0", " "]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_only_plain_digits_are_a_number(text: str) -> None:
    assert number_of(text) is None
    assert number_of("0012") == 12


# A NUL never gets as far as a page: see test_addresses.py.
@pytest.mark.parametrize("text", [text for text in NO_NUMBERS if text != "\0"])
def test_addresses_with_no_number(client: Client, world: World, text: str) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    for page in ("", "machine-types/", "devices/", "devices/foo/"):
        assert client.get(f"/releases/down/1.2/{page}", {"change": text}).status_code == 404
    device = "/releases/down/1.2/devices/foo/"
    asked = {"change": change.pk, "section": "foo", "version": text}
    assert client.get(device, asked).status_code == 200
    assert client.get("/trials/matrix/", {"change": text}).status_code == 200
    assert client.get("/api/v1/releases/down/1.2/devices/", {"change": text}).status_code == 404
    preview = f"/changes/{change.pk}/overrides/preview/"
    asked = {"device": "foo", "section": "foo", "version": text, "action": "relax"}
    assert client.get(preview, asked).status_code == 404


@pytest.mark.parametrize("text", [*NO_NUMBERS, "9" * 5000])
def test_forms_with_no_number(client: Client, world: World, text: str) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    sent = {"machine_type": "pc-q35-down1.2.0", "value": "6", "lock_version": "1"}
    for edit in ("change", "move", "remove"):
        address = f"/changes/{change.pk}/entries/{edit}/"
        assert client.post(address, {**sent, "position": text}).status_code == 422
    described = {"title": "Other", "lock_version": text}
    assert client.post(f"/changes/{change.pk}/edit/", described).status_code == 409
    change.refresh_from_db()
    assert change.lock_version == 1
