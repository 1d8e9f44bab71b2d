"""What people write is linked only where it leads to a page."""

from __future__ import annotations

import pytest
from policy_world import World
from signed_in import Login

from frontend.templatetags.lockstep import is_web_address
from policy import edits
from policy.models import Feature


@pytest.mark.parametrize("text", ["", "DOWN-12", "javascript:alert(1)", " data:text/html,x"])
def test_what_is_no_page_is_no_link(text: str) -> None:
    assert not is_web_address(text)


def test_a_tracker_that_is_a_program_is_shown_as_text(world: World, login: Login) -> None:
    change = world.change()
    feature = Feature.objects.create(
        slug="foo-d", title="D", device="foo", introduced=world.new, created_by=world.maintainer,
        carriers=[{"section": "foo", "version": 2, "fields": ["d"], "subsection": False}],
    )  # fmt: skip
    edits.add_backport(change, world.maintainer, 1, feature, "", "javascript:alert(1)", "So.")
    page = login(world.reviewer).get(f"/releases/down/1.2/?change={change.pk}").text
    assert "javascript:alert(1)" in page
    assert 'href="javascript:' not in page
