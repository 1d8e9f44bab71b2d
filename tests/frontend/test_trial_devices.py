"""Choosing the devices that a change request's trials exercise."""

from __future__ import annotations

from policy_world import World
from signed_in import Login


def test_choosing_devices_keeps_what_was_typed_where_one_is_unknown(
    world: World, login: Login
) -> None:
    client, change = login(world.maintainer), world.change()
    address = f"/changes/{change.pk}/devices/"
    wrong = client.post(address, {"devices": "foo bar", "lock_version": change.lock_version})
    assert wrong.status_code == 422
    page = wrong.content.decode()
    assert "&#x27;bar&#x27; has no state that could migrate." in page
    assert "foo bar</textarea>" in page

    answer = client.post(address, {"devices": "foo\nbig", "lock_version": change.lock_version})
    assert answer["Location"] == f"/changes/{change.pk}/?tab=trials#devices"
    change.refresh_from_db()
    assert change.policy.devices == ("foo", "big")
    seen = login(world.reviewer).get(f"/changes/{change.pk}/?tab=trials").content.decode()
    assert "foo, big" in seen
    assert 'name="devices"' not in seen


def test_only_maintainers_choose(world: World, login: Login) -> None:
    change = world.change()
    answer = login(world.reviewer).post(
        f"/changes/{change.pk}/devices/", {"devices": "foo", "lock_version": change.lock_version}
    )
    assert answer.status_code == 403
    change.refresh_from_db()
    assert change.policy.devices == ()
