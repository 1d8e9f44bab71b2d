"""Machine types: the list, the resolved properties with their origins, and edits in place."""

import re
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from machines.catalogue import import_catalogue
from machines.emulator.catalogue import CompatProperty, MachineType
from policy import edits
from policy.models import ChangeRequest
from tests.policy.policy_world import MACHINES, World, new_catalogue, person, release

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
NEWEST, OLDER = MACHINES


@pytest.fixture
def world() -> World:
    return World()


def address(name: str, change: ChangeRequest | None = None) -> str:
    query = f"?change={change.pk}" if change else ""
    return reverse("machine-type", args=["down", "1.2", name]) + query


def post(client: Client, change: ChangeRequest, action: str, **data: Any) -> HttpResponse:
    values = {"machine_type": OLDER, "lock_version": change.lock_version} | data
    return client.post(reverse(action, args=[change.pk]), values, headers=HTMX)


def entries(change: ChangeRequest, name: str = OLDER) -> list[str]:
    found = ChangeRequest.objects.get(pk=change.pk).policy.machine_type(name)
    assert found is not None
    return [f"{item.driver}.{item.property}={item.value}" for item in found.entries]


# --- Reading --------------------------------------------------------------------------------------


def test_the_list_names_parents_and_counts(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.reviewer)
    url = reverse("machine-types", args=["down", "1.2"])
    page = client.get(url, {"change": change.pk}).text
    assert NEWEST in page
    assert OLDER in page
    assert "Add a machine type" not in page


def test_the_list_costs_the_same_for_many(
    client: Client, world: World, django_assert_max_num_queries
) -> None:
    many = {f"pc-{n}": MachineType(f"pc-{n}", compat=()) for n in range(90)}
    catalogue = new_catalogue()
    made = release("up", "6.0", None)
    values = {name: getattr(catalogue, name) for name in catalogue.__dataclass_fields__}
    import_catalogue(
        made, type(catalogue)(**values | {"machine_types": many}), source="test", user=None
    )
    client.force_login(world.maintainer)
    with django_assert_max_num_queries(20):
        page = client.get(reverse("machine-types", args=["up", "6.0"])).text
    assert "90 machine types" in page


def test_an_entry_shows_its_array_its_ancestor_and_what_wins(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.reviewer)
    page = client.get(address(OLDER, change)).text
    assert "pc_down_compat" in page
    assert "hw_compat_down_1_1" in page
    assert "overridden by no. 2" in page
    assert 'class="value loses">5<' in page


def test_what_an_upstream_release_sets_is_told_by_qemu(client: Client, world: World) -> None:
    client.force_login(world.reviewer)
    page = client.get(reverse("machine-type", args=["up", "2.0", "pc-q35-1.0"])).text
    assert "x-s" in page
    assert "Own entries" not in page


def test_a_search_keeps_what_fits(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.reviewer)
    page = client.get(address(OLDER, change) + "&q=hw_compat", headers=HTMX).text
    assert "hw_compat_down_1_1" in page
    assert "pc_down_compat" not in page
    assert "<html" not in page


def test_an_unknown_machine_type_is_not_found(client: Client, world: World) -> None:
    client.force_login(world.reviewer)
    assert client.get(address("pc-nothing")).status_code == 404


def test_completion_knows_properties_types_and_defaults(client: Client, world: World) -> None:
    client.force_login(world.maintainer)
    url = reverse("completion", args=["up", "2.0"])
    assert '<option value="x-s">' in client.get(url, {"driver": "foo"}).text
    known = client.get(url, {"driver": "foo", "property": "speed"}).text
    assert "uint32" in known
    assert "no device type" in client.get(url, {"driver": "nothing"}).text


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ({"what": "driver", "driver": "FO"}, ["foo"]),
        ({"what": "property", "driver": "foo", "property": ""}, ["speed", "x-s"]),
        ({"what": "value", "driver": "foo", "property": "x-s", "value": "o"}, ["on", "off"]),
        ({"what": "value", "driver": "foo", "property": "speed"}, []),
        ({"what": "nonsense", "driver": "foo"}, []),
    ],
)
def test_a_combobox_is_offered_what_the_catalogue_has(
    client: Client, world: World, asked: dict[str, str], offered: list[str]
) -> None:
    client.force_login(world.maintainer)
    page = client.get(reverse("completion", args=["up", "2.0"]), asked).text
    assert re.findall(r'data-value="([^"]*)"', page) == offered


def test_a_value_is_checked_as_one_types(client: Client, world: World) -> None:
    client.force_login(world.maintainer)
    url = reverse("completion", args=["up", "2.0"])
    page = client.get(url, {"driver": "foo", "property": "speed", "value": "fast"}).text
    assert "not a whole number" in page


# --- Beside another one ---------------------------------------------------------------------------


def test_two_machine_types_stand_beside_each_other(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.reviewer)
    page = client.get(address(OLDER, change) + f"&view=difference&with={NEWEST}").text
    assert "differs" in page
    assert 'value strong">4<' in page
    assert 'value strong">5<' in page


def test_the_same_one_of_another_release_says_its_default(client: Client, world: World) -> None:
    client.force_login(world.reviewer)
    url = reverse("machine-type", args=["up", "2.0", "pc-q35-1.0"])
    page = client.get(url, {"view": "difference", "beside": "down 1.2", "with": OLDER}).text
    assert "only here" in page
    assert "no such property" in page  # foo of 1.0 has no x-s
    assert '<span class="muted">default</span> <span class="value">5</span>' in page


def test_a_comparison_costs_few_queries(
    client: Client, world: World, django_assert_max_num_queries: Any
) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    with django_assert_max_num_queries(25):
        client.get(address(OLDER, change) + "&view=difference&beside=up 2.0")


@pytest.mark.parametrize("beside", ["down 9.9", "change-99", "x" * 300])
def test_what_cannot_be_compared_says_so(client: Client, world: World, beside: str) -> None:
    client.force_login(world.reviewer)
    url = reverse("machine-type", args=["up", "2.0", "pc-q35-1.0"])
    page = client.get(url, {"view": "difference", "beside": beside})
    assert page.status_code == 200
    assert "There is no release" in page.text


# --- Entries --------------------------------------------------------------------------------------


def test_what_the_policy_does_not_have_is_not_edited_but_added_first(
    client: Client, world: World
) -> None:
    made = release("down", "1.3", None, base=world.new)
    change = edits.open_change(made, world.maintainer, "First")
    client.force_login(world.maintainer)
    name = next(iter(new_catalogue().machine_types))
    page = client.get(reverse("machine-type", args=["down", "1.3", name]), {"change": change.pk})
    assert reverse("entry-add", args=[change.pk]) not in page.text
    assert f"{reverse('machine-types', args=['down', '1.3'])}?change={change.pk}" in page.text


def test_an_entry_is_added_in_place(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = post(client, change, "entry-add", driver="foo", property="speed", value="9")
    assert response.status_code == 200
    assert "foo.speed=9 is added" in response.text
    assert entries(change) == ["foo.speed=4", "foo.speed=9"]


def test_without_htmx_an_edit_leads_back_to_the_page(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    data = {"machine_type": OLDER, "lock_version": 1, "driver": "foo", "property": "speed",
            "value": "9"}  # fmt: skip
    response = client.post(reverse("entry-add", args=[change.pk]), data)
    assert response.url == address(OLDER, change)


def test_a_value_of_the_wrong_type_is_refused_at_the_field(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = post(client, change, "entry-add", driver="foo", property="speed", value="fast")
    assert response.status_code == 422
    assert 'value="fast"' in response.text
    assert 'aria-describedby="id_value_error"' in response.text
    assert "not a whole number" in response.text
    assert entries(change) == ["foo.speed=4"]


def test_a_plain_form_with_an_error_gets_the_whole_page(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    data = {"machine_type": OLDER, "lock_version": 1, "driver": "foo", "property": "speed",
            "value": "fast"}  # fmt: skip
    response = client.post(reverse("entry-add", args=[change.pk]), data)
    assert response.status_code == 422
    assert "<html" in response.text
    assert 'value="fast"' in response.text


def test_a_value_is_changed_moved_and_removed(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    post(client, change, "entry-add", driver="foo", property="speed", value="9")
    change.refresh_from_db()
    post(client, change, "entry-change", position=0, value="0x10")
    change.refresh_from_db()
    post(client, change, "entry-move", move="0:1")
    assert entries(change) == ["foo.speed=9", "foo.speed=0x10"]
    change.refresh_from_db()
    post(client, change, "entry-remove", position=0)
    assert entries(change) == ["foo.speed=0x10"]


def test_an_entry_opens_for_its_value_and_says_what_is_wrong_with_it(
    client: Client, world: World
) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    headers = HTMX | {"HX-Target": "own-card"}
    part = client.get(address(OLDER, change) + "&edit=0", headers=headers).text
    assert 'aria-label="Value of foo.speed"' in part
    assert "Resolved list" not in part
    response = post(client, change, "entry-change", position=0, value="fast")
    assert response.status_code == 422
    assert 'value="fast"' in response.text
    assert "not a whole number" in response.text


@pytest.mark.parametrize("move", ["0:9", "9:0", "0", "x:y", "-1:0", "9999999:0"])
def test_a_way_that_is_none_is_refused(client: Client, world: World, move: str) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    assert post(client, change, "entry-move", move=move).status_code == 422
    assert entries(change) == ["foo.speed=4"]


def test_a_removal_is_taken_back_with_its_array(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = post(client, change, "entry-remove", position=0)
    assert response["HX-Replace-Url"].endswith("undo=1%3A0")
    assert "Undo" in client.get(response["HX-Replace-Url"]).text
    change.refresh_from_db()
    post(client, change, "entry-restore", position=0, version=1)
    change.refresh_from_db()
    found = change.policy.machine_type(OLDER)
    assert found is not None
    assert [item.array for item in found.entries] == ["hw_compat_down_1_1"]


def test_after_another_edit_nothing_is_offered_to_be_taken_back(
    client: Client, world: World
) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    url = post(client, change, "entry-remove", position=0)["HX-Replace-Url"]
    world.edit(change, world.other)
    assert "Undo" not in client.get(url).text


@pytest.mark.parametrize("data", [{"version": 9}, {"version": 1, "position": 7}, {"version": "x"}])
def test_what_was_not_there_is_not_brought_back(client: Client, world: World, data: Any) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = post(client, change, "entry-restore", **({"position": 0} | data))
    assert response.status_code == 422
    assert entries(change) == ["foo.speed=4"]


def test_only_maintainers_take_a_removal_back(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.reviewer)
    assert post(client, change, "entry-restore", position=0, version=1).status_code == 403
    assert entries(change) == ["foo.speed=4"]


def test_an_entry_is_added_at_a_place(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    post(client, change, "entry-add", driver="foo", property="speed", value="9", place="1")
    assert entries(change) == ["foo.speed=9", "foo.speed=4"]


def test_a_lost_race_leads_to_the_page_that_merges(client: Client, world: World) -> None:
    change = world.change()
    edits.change_entry(change, world.other, 1, OLDER, 0, "8")
    client.force_login(world.maintainer)
    response = post(client, change, "entry-change", position=0, value="7")
    assert "/merge/" in response["HX-Redirect"]
    assert entries(change) == ["foo.speed=8"]


def test_edits_of_other_things_are_merged_and_told(client: Client, world: World) -> None:
    change = world.change()
    world.edit(change, world.other)
    client.force_login(world.maintainer)
    response = post(client, change, "entry-change", position=0, value="7", lock_version=1)
    assert response.status_code == 200
    assert "Meanwhile other edited" in response.text
    assert entries(change) == ["foo.speed=7"]


@pytest.mark.parametrize("who", ["reviewer", "manager"])
def test_only_maintainers_edit(client: Client, world: World, who: str) -> None:
    change = world.change()
    client.force_login(getattr(world, who))
    response = post(client, change, "entry-add", driver="foo", property="speed", value="9")
    assert response.status_code == 403
    assert entries(change) == ["foo.speed=4"]
    assert "Own entries" not in client.get(address(OLDER, change)).text


def test_strangers_do_not_even_find_the_change(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(person("stranger"))
    assert post(client, change, "entry-remove", position=0).status_code == 404


def test_a_published_change_is_edited_no_more(client: Client, world: World) -> None:
    change = world.published().change_request
    client.force_login(world.maintainer)
    assert "Own entries" not in client.get(address(OLDER, change)).text
    assert post(client, change, "entry-remove", position=0).status_code == 403


@pytest.mark.parametrize("position", ["-1", "99", "x", "", "9" * 30])
def test_a_place_that_is_none_is_refused(client: Client, world: World, position: str) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = post(client, change, "entry-remove", position=position)
    assert response.status_code == 422
    assert entries(change) == ["foo.speed=4"]


# --- Machine types --------------------------------------------------------------------------------


def test_a_machine_type_is_added_and_removed(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    name = "pc-q35-down1.3.0"
    response = post(client, change, "machine-type-add", name=name, parent="", note="next")
    assert response.url == address(name, change)
    change.refresh_from_db()
    assert reverse("machine-type-remove", args=[change.pk]) in client.get(response.url).text
    post(client, change, "machine-type-remove", name=name)
    change.refresh_from_db()
    assert change.policy.machine_type(name) is None


def test_a_machine_type_twice_is_refused_at_its_name(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    data = {"lock_version": 1, "name": NEWEST, "note": "again"}
    response = client.post(reverse("machine-type-add", args=[change.pk]), data)
    assert response.status_code == 422
    assert "There is a machine type" in response.text
    assert 'value="again"' in response.text


def test_one_in_use_stays_and_the_reason_is_told(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    url = post(client, change, "machine-type-remove", name=NEWEST).url
    assert "goes on from it" in client.get(url).text
    change.refresh_from_db()
    assert change.policy.machine_type(NEWEST) is not None


def test_machine_types_are_composed_from_arrays(client: Client, world: World) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    listed = client.get(reverse("machine-types", args=["down", "1.2"]), {"change": change.pk}).text
    assert "Compose from the release’s C arrays" in listed
    post(client, change, "machine-type-seed", names="pc-i440fx-down1.1.0")
    change.refresh_from_db()
    resolved = change.policy.resolved("pc-i440fx-down1.1.0")
    assert CompatProperty("foo", "speed", "4", "hw_compat_down_1_1") in resolved


def test_a_value_is_opened_on_the_whole_page_too(world: World, client: Client) -> None:
    """Without scripts the page comes as a whole, and still names the change request on top."""
    change = world.change()
    client.force_login(world.maintainer)
    page = f"/releases/down/1.2/machine-types/{MACHINES[0]}/"
    for position in (0, 1):
        answer = client.get(page, {"change": change.pk, "edit": position})
        assert answer.status_code == 200
        assert f'href="/changes/{change.pk}/"' in answer.content.decode()
    sent = {"machine_type": MACHINES[0], "value": "much", "lock_version": 1, "position": 0}
    wrong = client.post(f"/changes/{change.pk}/entries/change/", sent)
    assert wrong.status_code == 422
    assert f'href="/changes/{change.pk}/"' in wrong.content.decode()
