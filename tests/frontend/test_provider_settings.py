"""The provider as the environment names it: all of it or none, and nothing unsafe."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from frontend.sign_in.provider import PREFIX, USUAL_LABEL, Provider, from_environment

WHOLE = {"ISSUER": "https://id.example/realm", "CLIENT_ID": "lockstep", "CLIENT_SECRET": "s3cret"}


def read(**given: str) -> Provider | None:
    return from_environment({PREFIX + name: value for name, value in given.items()})


def test_without_a_variable_there_is_none() -> None:
    assert from_environment({"PATH": "/bin"}) is None


def test_the_secret_may_stand_in_a_file_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    rest = {name: value for name, value in WHOLE.items() if name != "CLIENT_SECRET"}
    found = read(**rest, CLIENT_SECRET_FILE=str(tmp_path / "secret"))
    assert found == Provider(WHOLE["ISSUER"], "lockstep", "from a file", USUAL_LABEL, 12)
    assert "from a file" not in repr(found)


def test_what_it_says_and_how_long_it_holds_may_be_chosen() -> None:
    found = read(**WHOLE, LABEL="Company account", HOURS="4")
    assert found is not None
    assert (found.label, found.hours) == ("Company account", 4)
    assert found.discovery == "https://id.example/realm/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ISSUER": ""},
        {"CLIENT_ID": ""},
        {"CLIENT_SECRET": ""},
        {"CLIENT_SECRET_FILE": "/nowhere"},
        {"CLIENT_SECRET": "", "CLIENT_SECRET_FILE": "/nowhere"},
        {"ISSUER": "http://id.example"},
        {"ISSUER": "https://id.example/?x=1"},
        {"ISSUER": "id.example"},
        {"HOURS": "0"},
        {"HOURS": "soon"},
    ],
)
def test_half_a_provider_stops_the_start_and_names_what_is_missing(wrong: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match=PREFIX):
        read(**(WHOLE | wrong))


def test_without_encryption_it_may_be_on_this_machine_alone() -> None:
    assert read(**(WHOLE | {"ISSUER": "http://127.0.0.1:9000"})) is not None
