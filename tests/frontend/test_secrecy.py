"""What one may see that is another's: nothing of it, wherever it would have been mentioned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from policy_world import World, person
from signed_in import Login

from machines.models import Stream
from policy.models import StreamVerdict
from policy.publishing import bundle, signing


def stream(owner: User, name: str, **values: Any) -> Stream:
    return Stream.objects.create(
        owner=owner, name=name, state="read", expires_at=timezone.now() + timedelta(1), **values
    )


def test_a_verdict_does_not_name_a_stream_that_is_not_shared(world: World, login: Login) -> None:
    shared = stream(world.maintainer, "shared", tree=world.release.tree, machine_type="pc")
    own = stream(world.reviewer, "my-secret-guest")
    StreamVerdict.objects.create(
        stream=shared, release=world.release, machine_type="pc", profile=own, state="done",
        asked_by=world.reviewer,
    )  # fmt: skip
    address = f"/streams/{shared.pk}/"
    assert "my-secret-guest" in login(world.reviewer).get(address).text
    assert "my-secret-guest" not in login(world.maintainer).get(address).text


@pytest.mark.parametrize("page", ["", "index.json", "index.json.asc", "index-1.json"])
def test_without_a_role_no_bundle_is_known(world: World, login: Login, page: str) -> None:
    bundle.store(world.published())
    signing.renew_index()
    assert login(person("nobody")).get(f"/bundles/{page}").status_code == 403
