"""Comparing two releases, as a page and through the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from policy_world import MACHINES, World, arrays, person, release
from signed_in import Login

WIDE = Path(__file__).resolve().parents[1] / "data/streams/10.0/pc-q35-7.2/wide.mig.xz"
BACK = {"source": "down 1.3", "destination": "down 1.2"}
REFUSED = "savevm: unsupported version 3 for &#x27;foo&#x27; v1"


@pytest.fixture
def client(world: World, login: Login) -> Client:
    release("down", "1.3", arrays(), base=world.new)
    return login(person("both", "viewer"))


def test_the_form_leads_to_an_address_that_shows_the_differences(client: Client) -> None:
    answer = client.post("/compare/", BACK)
    assert answer.status_code == 302
    assert f"machine_type={MACHINES[0]}" in answer["Location"]
    page = client.get(answer["Location"]).content.decode()
    assert REFUSED in page
    assert "/releases/down/1.2/devices/foo/" in page


def test_differences_are_filtered_by_grade_and_device(client: Client) -> None:
    swap = {"HX-Request": "true"}
    harmless = client.get("/compare/", BACK | {"grade": "harmless"}, headers=swap).content.decode()
    assert "<html" not in harmless
    assert "No difference fits" in harmless
    of_device = client.get("/compare/", BACK | {"device": "foo"}, headers=swap).content.decode()
    assert REFUSED in of_device
    assert "Remove the filter device: foo" in of_device
    assert "No difference" in client.get("/compare/", BACK | {"devices": "big"}).content.decode()


def test_a_draft_is_compared_in_place_of_its_release(
    world: World, login: Login, client: Client
) -> None:
    change = world.change()
    asked = {"source": f"change-{change.pk}", "destination": "down 1.3"}
    page = client.get("/compare/", asked).content.decode()
    assert f"down 1.2 #{change.pk} → down 1.3" in page
    assert f"?change={change.pk}" in page


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(client: Client) -> None:
    answer = client.post("/compare/", BACK | {"machine_type": "pc-9.9", "devices": "foo nope"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "has no machine type &#x27;pc-9.9&#x27;" in page
    assert "foo nope</textarea>" in page
    wrong = client.get("/compare/", BACK | {"devices": "foo nope"})
    assert wrong.status_code == 422
    assert "no device type &#x27;nope&#x27;" in wrong.content.decode()
    stream = SimpleUploadedFile("x.mig", b"not a stream")
    page = client.post("/compare/", BACK | {"stream": stream}).content.decode()
    assert "The stream cannot be read: offset" in page


def test_a_stream_without_a_known_section_is_refused(client: Client) -> None:
    stream = SimpleUploadedFile("wide.mig.xz", WIDE.read_bytes())
    page = client.post("/compare/", BACK | {"stream": stream}).content.decode()
    assert "No section of the stream is one of down 1.3." in page


def test_the_page_makes_few_queries(
    world: World, client: Client, django_assert_max_num_queries: object
) -> None:
    client.get("/compare/", BACK)
    for number in range(20):
        release("down", f"2.{number}", None, base=world.old)
    with django_assert_max_num_queries(30):  # type: ignore[operator]
        assert client.get("/compare/", BACK).status_code == 200


def test_without_a_role_there_is_nothing_to_compare(client: Client, login: Login) -> None:
    nobody = login(person("nobody"))
    assert "down 1.2" not in nobody.get("/compare/").content.decode()
    assert nobody.get("/compare/", BACK).status_code == 422
    assert nobody.get("/api/v1/compare/", BACK).status_code == 403
    assert Client().get("/compare/").status_code == 302
    unknown = client.get("/api/v1/compare/", BACK | {"source": "down 9.9"})
    assert (unknown.status_code, unknown.json()["field"]) == (422, "source")


def test_the_api_tells_the_same(client: Client) -> None:
    found = client.get("/api/v1/compare/", BACK | {"device": ["foo", "big"]}).json()
    assert found["devices"] == ["big", "foo"]
    assert found["counts"] == {"corrupts": 0, "refuses": 1, "harmless": 0}
    assert found["findings"][0]["message"] == "savevm: unsupported version 3 for 'foo' v1"
    none = client.get("/api/v1/compare/", BACK | {"grade": "harmless"}).json()
    assert none["findings"] == []
    for wrong in ({"source": "down 1.3"}, BACK | {"grade": "bad"}, BACK | {"device": "nope"}):
        assert client.get("/api/v1/compare/", wrong).status_code == 422
    stream = SimpleUploadedFile("x.mig", b"not a stream")
    answer = client.post("/api/v1/compare/", BACK | {"stream": stream})
    assert (answer.status_code, answer.json()["field"]) == (422, "stream")
