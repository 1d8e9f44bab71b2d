"""Every kind of refusal has its words, and the page of the rules has all of them."""

from typing import get_args

from django.test import Client

from frontend.shown.reasons import OUTCOMES, REFUSALS
from machines.emulator.verdict import Kind
from policy.models import Role
from tests.policy.policy_world import person


def test_every_kind_of_refusal_has_a_rule() -> None:
    assert set(get_args(Kind)) <= set(REFUSALS)
    assert set(OUTCOMES) == {"correct", "degraded", "corrupt", "refused"}


def test_the_page_has_an_anchor_for_each(db: None, client: Client) -> None:
    client.force_login(person("viewer", Role.VIEWER))
    page = client.get("/trials/rules/").text
    for name in REFUSALS:
        assert f'id="refusal-{name}"' in page
    assert 'id="outcome-corrupt"' in page
