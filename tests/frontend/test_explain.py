"""A failed migration explained, as a page and through the API."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.test import Client
from policy_world import MACHINES, World, arrays, old_catalogue, person, release
from signed_in import Login

from machines.emulator.catalogue import CompatProperty, Description, Field, PropertyInfo
from policy import edits
from policy.questions.qemu_log import MAX_BYTES

LOG = """\
2026-11-23T03:00:00Z qemu-kvm: get_pci_config_device: Bad config data: i=0x34 read: 0 device: 98 \
cmask: ff wmask: 0 w1cmask:0
qemu-kvm: Failed to load rng:parent_obj
qemu-kvm: error while loading state for instance 0x0 of device '0000:00:02.0/rng'
qemu-kvm: load of migration failed: Invalid argument
Somebody else's line
"""
RNG = old_catalogue(
    types={"object": None, "device": "object", "pci-device": "device", "rng": "pci-device"},
    descriptions={"rng": Description("rng", 1, 1, (Field("parent_obj", 4),))},
    properties={"rng": {"vectors": PropertyInfo("vectors", "uint32", 2)}},
)
ASKED = {"source": "down 1.3", "destination": "down 1.4", "log": LOG}


@pytest.fixture
def client(world: World, login: Login) -> Client:
    """1.4 takes the vectors of ``rng`` away by an entry that 1.3 lacks."""
    base = release("up", "3.0", RNG)
    release("down", "1.3", arrays(), base=base)
    listed = arrays()
    off = CompatProperty("rng", "vectors", "0", "pc_down_compat")
    machine_types = {
        name: replace(item, compat=(*item.compat, off))
        for name, item in listed.machine_types.items()
    }
    release("down", "1.4", replace(listed, machine_types=machine_types), base=base)
    return login(world.maintainer)


def test_the_page_names_the_device_the_property_and_what_prevents_it(client: Client) -> None:
    page = client.post("/explain/", ASKED).content.decode()
    assert "The hardware of 0000:00:02.0/rng differs" in page
    assert "/releases/down/1.4/devices/rng/" in page
    assert "rng.<b>vectors</b>" in page
    assert "rng.vectors=2 on pc-q35-down1.2.0 in down 1.4 would have prevented it" in page
    assert "5: Somebody else&#x27;s line" in page
    assert "qemu-kvm: load of migration failed" in page.rpartition("<textarea")[2]


def test_a_mitigation_goes_from_the_page_into_a_change_request(
    world: World, client: Client
) -> None:
    older = world.release.tree.releases.get(version="1.4")
    change = edits.open_change(older, world.maintainer, "First")
    page = client.post("/explain/", ASKED).content.decode()
    assert f'action="/changes/{change.pk}/mitigations/"' in page
    asked = {
        "lock_version": change.lock_version,
        "started_on": "down 1.3",
        "machine_type": MACHINES[0],
        "entries": "rng.vectors=2",
        "reason": "It has two there.",
        "until": "the guest is powered off",
    }
    assert client.post(f"/changes/{change.pk}/mitigations/", asked).status_code == 302
    change.refresh_from_db()
    assert change.policy.mitigations[0].entries == (CompatProperty("rng", "vectors", "2"),)


def test_who_may_not_edit_is_offered_no_edit(world: World, client: Client, login: Login) -> None:
    newer = world.release.tree.releases.get(version="1.4")
    edits.open_change(newer, world.maintainer, "First")
    page = login(world.reviewer).post("/explain/", ASKED).content.decode()
    assert "rng.<b>vectors</b>" in page
    assert "/mitigations/" not in page


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"log": "nothing of QEMU’s"}, "None of these lines says why"),
        ({"log": "x" * (MAX_BYTES + 1)}, "at most"),
        ({"log": "\n" * 3000}, "paste those around the error"),
        ({"machine_type": "pc-9.9"}, "has no machine type"),
        ({"source": "down 9.9"}, "not one of the available choices"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    client: Client, changed: dict[str, str], said: str
) -> None:
    answer = client.post("/explain/", ASKED | changed)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in page
    assert (ASKED | changed)["log"][:20].strip() in page.replace("&#x27;", "'")


def test_the_api_explains_the_same(client: Client, login: Login) -> None:
    answer = client.post("/api/v1/explain/", ASKED, content_type="application/json")
    found = answer.json()
    assert found["machine_type"] == MACHINES[0]
    assert found["failures"][0]["causes"][0]["property"] == "rng.vectors"
    assert found["unknown"] == [{"number": 5, "text": "Somebody else's line"}]
    empty = client.post("/api/v1/explain/", ASKED | {"log": "?"}, content_type="application/json")
    assert (empty.status_code, empty.json()["field"]) == (422, "log")
    nobody = login(person("nobody"))
    assert nobody.post("/api/v1/explain/", ASKED).status_code == 403
    assert nobody.post("/explain/", ASKED).status_code == 422
