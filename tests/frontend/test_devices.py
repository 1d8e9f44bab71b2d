"""Devices: the list, and the bitmap editor of one."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from machines.emulator.catalogue import Description, Field
from policy import edits
from policy.models import ChangeRequest
from tests.policy.policy_world import (
    MACHINES,
    World,
    arrays,
    new_catalogue,
    old_catalogue,
    person,
    release,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
OLDER = MACHINES[1]


class Newer(World):
    """The downstream on a base whose ``foo`` has versions 1 to 3 and a subsection."""

    def __init__(self) -> None:
        super().__init__()
        self.release = release("down", "2.0", arrays(), base=self.new)


@pytest.fixture
def world() -> Newer:
    return Newer()


def address(change: ChangeRequest | None = None, **query: Any) -> str:
    if change:
        query["change"] = change.pk
    asked = "&".join(f"{key}={value}" for key, value in query.items())
    return f"{reverse('device', args=['down', '2.0', 'foo'])}?{asked}"


def override(client: Client, change: ChangeRequest, **data: Any) -> HttpResponse:
    values = {
        "device": "foo", "section": "foo", "version": 2, "action": "relax", "on": OLDER,
        "justification": "1.2 guests must return", "machine_type": "",
        "lock_version": change.lock_version,
    }  # fmt: skip
    return client.post(reverse("override-set", args=[change.pk]), values | data, headers=HTMX)


# --- The list -------------------------------------------------------------------------------------


def test_the_list_shows_what_migrates(client: Client, world: Newer) -> None:
    client.force_login(world.reviewer)
    url = reverse("devices", args=["up", "2.0"])
    page = client.get(url).text
    assert "1–3" in page
    assert "<b>device</b>" not in page
    assert "<b>device</b>" in client.get(url, {"show": "all"}).text


def test_a_search_swaps_the_table_and_chips_remove_it(client: Client, world: Newer) -> None:
    client.force_login(world.reviewer)
    page = client.get(reverse("devices", args=["up", "2.0"]), {"q": "big"}, headers=HTMX).text
    assert "<b>big</b>" in page
    assert "<b>foo</b>" not in page
    assert "Remove the filter search: big" in page
    assert "<html" not in page


def test_the_list_costs_the_same_for_many(
    client: Client, world: Newer, django_assert_max_num_queries
) -> None:
    types = {"object": None, "device": "object"} | {f"dev-{n}": "device" for n in range(500)}
    release("up", "6.0", old_catalogue(types=types))
    client.force_login(world.reviewer)
    url = reverse("devices", args=["up", "6.0"])
    with django_assert_max_num_queries(20):
        page = client.get(url, {"show": "all", "page": 3}).text
    assert "101–150 of" in page
    assert "show=all" in page


# --- The bitmap -----------------------------------------------------------------------------------


def test_a_cell_tells_why_it_is_blacklisted(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.reviewer)
    page = client.get(address(change, section="foo", version=2)).text
    assert "version 2 cannot carry e (since version 3)" in page
    assert "vmstate-blacklist=" in page
    assert "0x6" in page
    assert "Relax in #" not in page  # a reviewer edits nothing


def test_selecting_a_cell_swaps_the_editor_alone(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    page = client.get(address(change, section="foo", version=2), headers=HTMX).text
    assert f"Relax in #{change.pk}" in page
    assert 'aria-current="true"' in page
    assert "<html" not in page


def test_a_bit_is_relaxed_with_its_reason(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = override(client, change)
    assert response.status_code == 200
    assert "1.2 guests must return" in response.text
    assert "0x2" in response.text
    change.refresh_from_db()
    assert [item.action for item in change.policy.overrides] == ["relax"]


def test_a_bit_is_tightened_on_one_machine_type(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    override(client, change, version=3, action="tighten", machine_type=OLDER)
    change.refresh_from_db()
    assert change.policy.overrides[0].machine_type == OLDER
    other = client.get(address(change, machine_type=MACHINES[0])).text
    assert "cell cell-tightened" not in other


def test_a_reason_is_demanded_and_the_cell_stays_selected(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = override(client, change, justification="", machine_type=OLDER)
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.text
    assert "Say why" in response.text
    assert f'value="{OLDER}" checked' in response.text


def test_a_lost_race_keeps_the_reason_and_shows_what_is_there(client: Client, world: Newer) -> None:
    change = world.change()
    edits.set_override(change, world.other, 1, "foo", "foo", 1, "relax", "theirs")
    client.force_login(world.maintainer)
    response = override(client, change)
    assert response.status_code == 409
    assert "Someone else edited" in response.text
    assert "1.2 guests must return</textarea>" in response.text
    assert "cell-relaxed" in response.text
    assert 'name="lock_version" value="2"' in response.text


def test_clearing_goes_back_to_the_default(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    override(client, change)
    data = {"device": "foo", "section": "foo", "version": 2, "action": "relax",
            "lock_version": 2, "on": OLDER}  # fmt: skip
    response = client.post(reverse("override-clear", args=[change.pk]), data)
    url = reverse("device", args=["down", "2.0", "foo"])
    assert response.url == f"{url}?change={change.pk}&machine_type={OLDER}&section=foo&version=2"
    change.refresh_from_db()
    assert change.policy.overrides == ()


@pytest.mark.parametrize(
    "data",
    [{"version": 9}, {"version": "x"}, {"action": "nonsense"}, {"section": "bar"},
     {"action": "tighten"}, {"machine_type": "pc-nothing"}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(client: Client, world: Newer, data: Any) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = override(client, change, **data)
    assert response.status_code == 422
    assert "form-error" in response.text or "notice error" in response.text
    change.refresh_from_db()
    assert change.policy.overrides == ()


@pytest.mark.parametrize("who", ["reviewer", "manager"])
def test_only_maintainers_override(client: Client, world: Newer, who: str) -> None:
    change = world.change()
    client.force_login(getattr(world, who))
    assert override(client, change).status_code == 403
    change.refresh_from_db()
    assert change.policy.overrides == ()


def test_strangers_find_nothing(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(person("stranger"))
    assert override(client, change).status_code == 404
    assert client.get(address()).status_code == 404


def test_a_section_at_version_10000_has_few_cells(client: Client, world: Newer) -> None:
    client.force_login(world.reviewer)
    page = client.get(reverse("device", args=["up", "2.0", "big"])).text
    assert "1–4999" in page
    assert page.count("data-cell") < 5


def test_properties_show_value_and_origin_on_the_machine_type(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.reviewer)
    page = client.get(address(change, machine_type=OLDER)).text
    assert "hw_compat_down_1_1" in page
    assert 'class="value loses">5<' in page


def test_the_layout_of_a_subsection_is_shown_on_demand(client: Client, world: Newer) -> None:
    client.force_login(world.reviewer)
    url = reverse("device", args=["up", "2.0", "foo"])
    page = client.get(url, {"layout": "foo/foo/s"}).text
    assert '<span class="count mono">foo/foo/s</span>' in page


def test_an_unknown_device_is_not_found(client: Client, world: Newer) -> None:
    client.force_login(world.reviewer)
    assert client.get(reverse("device", args=["up", "2.0", "nothing"])).status_code == 404


def test_new_catalogue_has_what_these_tests_rely_on() -> None:
    assert new_catalogue().descriptions["foo"].version_id == 3


# --- Consequences ---------------------------------------------------------------------------------


def test_a_preview_tells_values_and_outcomes_and_writes_nothing(
    client: Client, world: Newer
) -> None:
    change = world.change()
    change = edits.add_migration(change, world.maintainer, 1, "down 2.0", "down 2.0", "correct")
    client.force_login(world.maintainer)
    url = reverse("override-preview", args=[change.pk])
    asked = {"device": "foo", "section": "foo", "version": 3, "action": "tighten", "on": OLDER}
    page = client.get(url, asked, headers=HTMX).text
    assert '<span class="before">0x6</span>' in page
    assert '<span class="after">0xe</span>' in page
    assert "on 2 of 2 machine types" in page
    assert "refused" in page
    assert "the policy promises correct" in page
    alone = client.get(url, asked | {"machine_type": OLDER}, headers=HTMX).text
    assert "on 1 of 2 machine types" in alone
    assert client.get(url, asked | {"machine_type": "pc-none"}).status_code == 404
    change.refresh_from_db()
    assert change.policy.overrides == ()


@pytest.mark.parametrize("version", ["9", "x", "9" * 40, "²"])
def test_a_preview_of_nothing_is_not_found(client: Client, world: Newer, version: str) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    url = reverse("override-preview", args=[change.pk])
    asked = {"device": "foo", "section": "foo", "version": version, "action": "relax"}
    assert client.get(url, asked).status_code == 404


def test_a_subsection_of_a_nested_structure_has_its_row_and_its_layout(
    client: Client, world: Newer
) -> None:
    tsr = Description("foo/tsr", 1, 1, (Field("thr_ipending", 4),))
    state = Description("foo", 1, 1, (Field("a", 4),), (tsr,))
    main = Description("foo", 1, 1, (Field("state", 4, struct=state),))
    release("up", "3.0", old_catalogue(descriptions={"foo": main}))
    client.force_login(world.reviewer)
    url = reverse("device", args=["up", "3.0", "foo"])
    asked = {"section": "foo/foo/tsr", "version": "1", "layout": "foo/foo/tsr"}
    page = client.get(url, asked).text
    assert "vmstate-blacklist-tsr" in page
    assert "thr_ipending" in page
