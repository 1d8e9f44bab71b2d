"""Devices: the list, and the bitmap editor of one."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from frontend.questions import previewing
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
from workers import tasks
from workers.models import Job

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


def save(client: Client, change: ChangeRequest | None, **data: Any) -> HttpResponse:
    values = {
        "flip": "foo:2", "section": "foo", "version": 2, "machine_type": OLDER, "only": "",
        "justification-0": "1.2 guests must return",
    }  # fmt: skip
    if change is not None:
        values["lock_version"] = change.lock_version
    url = reverse("overrides-save", args=["down", "2.0", "foo"])
    return client.post(f"{url}?change={change.pk if change else ''}", values | data, headers=HTMX)


def actions(change: ChangeRequest) -> list[tuple[str, int, str]]:
    found = ChangeRequest.objects.get(pk=change.pk).policy.overrides
    return [(item.section, item.version, item.action) for item in found]


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
    assert "Remove the filter Search: big" in page
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


def test_in_a_draft_a_click_turns_the_bit_over_and_swaps_the_editor_alone(
    client: Client, world: Newer
) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    page = client.get(address(change, section="foo", version=2, flip="foo:2"), headers=HTMX).text
    assert f"Relax in #{change.pk}" in page
    assert "cell cell-relaxed cell-pending" in page
    assert 'aria-current="true"' in page
    assert 'value="0x2"' in page  # the property as it would be
    assert "<html" not in page
    assert actions(change) == []


def test_a_bit_is_relaxed_with_its_reason(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = save(client, change)
    assert response.status_code == 200
    assert "1.2 guests must return" in response.text
    assert "flip" not in response["HX-Push-Url"]
    assert actions(change) == [("foo", 2, "relax")]


def test_a_bit_is_tightened_on_one_machine_type(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    save(client, change, flip="foo:3", only=OLDER)
    change.refresh_from_db()
    assert change.policy.overrides[0].machine_type == OLDER
    other = client.get(address(change, machine_type=MACHINES[0])).text
    assert "cell cell-tightened" not in other


def test_several_bits_are_one_edit_each_with_its_reason(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    data = {"flip": ["foo:1", "foo:2", "foo:3"], "justification-0": "old",
            "justification-1": "", "justification-2": "new"}  # fmt: skip
    assert save(client, change, **data).status_code == 200
    change.refresh_from_db()
    assert [item.justification for item in change.policy.overrides] == ["old", "old", "new"]
    assert change.lock_version == 2


def test_a_reason_is_demanded_and_the_bits_stay_turned(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = save(client, change, only=OLDER, **{"justification-0": ""})
    assert response.status_code == 422
    assert 'aria-describedby="id_justification-0_error"' in response.text
    assert "Say why" in response.text
    assert f'value="{OLDER}" checked' in response.text
    assert "cell-pending" in response.text


def test_an_overridden_bit_goes_back_to_its_default(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    save(client, change)
    change.refresh_from_db()
    page = client.get(address(change, section="foo", version=2)).text
    assert "Back to the default" in page
    response = save(client, change, **{"justification-0": ""})
    assert response.status_code == 200
    assert actions(change) == []


@pytest.mark.parametrize(
    "data",
    [{"flip": "foo:9"}, {"flip": "foo:x"}, {"flip": "bar:1"}, {"flip": ""}, {"only": "pc-nothing"}],
)
def test_what_makes_no_sense_is_not_saved(client: Client, world: Newer, data: Any) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = save(client, change, **data)
    assert response.status_code == 422
    assert "notice error" in response.text
    assert actions(change) == []


@pytest.mark.parametrize("who", ["reviewer", "manager"])
def test_only_maintainers_override(client: Client, world: Newer, who: str) -> None:
    change = world.change()
    client.force_login(getattr(world, who))
    assert save(client, change).status_code == 403
    assert actions(change) == []


# --- A typed value --------------------------------------------------------------------------------


def test_a_typed_value_turns_the_bits_over_that_differ(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = client.get(address(change, set="foo", value="0xA"), headers=HTMX)
    assert response["HX-Push-Url"].endswith("flip=foo%3A2&flip=foo%3A3")
    assert "2 bits to turn over" in response.text
    plain = client.get(address(change, set="foo", value="0xA"))
    assert plain.url == response["HX-Push-Url"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("0x16", "Version 4 does not exist: foo has versions 1 to 3."),
        ("0x31", "Versions 0, 4, 5 do not exist"),
        ("six", "neither a version, a range, nor hexadecimal"),
        ("3-1", "runs backward"),
    ],
)
def test_a_wrong_value_stays_in_its_field_and_names_the_bit(
    client: Client, world: Newer, value: str, problem: str
) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    response = client.get(address(change, set="foo", value=value), headers=HTMX)
    assert response.status_code == 422
    assert problem in response.text
    assert f'value="{value}"' in response.text


def test_a_section_above_version_63_is_typed_as_ranges(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    url = reverse("device", args=["down", "2.0", "big"])
    asked = {"change": change.pk, "set": "big", "value": "1-4998"}
    page = client.get(url, asked, follow=True).text
    assert "version 4999" in page
    assert 'value="1-4998"' in page
    too_many = client.get(url, asked | {"value": ""}, headers=HTMX)
    assert "at most 32" in too_many.text


# --- From what is published -----------------------------------------------------------------------


def publish(world: Newer) -> ChangeRequest:
    return world.publish(world.change()).change_request


def test_an_edit_of_what_is_published_opens_a_change_request(client: Client, world: Newer) -> None:
    publish(world)
    client.force_login(world.maintainer)
    page = client.get(address(flip="foo:2", machine_type=OLDER)).text
    assert "a new change request" in page
    refused = save(client, None, into="new", title="")
    assert refused.status_code == 422
    assert "1.2 guests must return</textarea>" in refused.text
    response = save(client, None, into="new", title="Let them return")
    change = ChangeRequest.objects.get(title="Let them return")
    assert f"change={change.pk}" in response["HX-Redirect"]
    assert actions(change) == [("foo", 2, "relax")]


def test_an_edit_that_cannot_be_made_opens_none(client: Client, world: Newer) -> None:
    publish(world)
    client.force_login(world.maintainer)
    response = save(client, None, into="new", title="T", **{"justification-0": ""})
    assert response.status_code == 422
    assert not ChangeRequest.objects.filter(title="T").exists()


def test_strangers_find_nothing(client: Client, world: Newer) -> None:
    change = world.change()
    client.force_login(person("stranger"))
    assert save(client, change).status_code == 404
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


def test_bits_to_be_turned_over_cost_no_more_queries_than_a_look(
    client: Client, world: Newer, django_assert_max_num_queries: Any
) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    flips = {"section": "foo", "version": 2, "beside": "up 1.0"}
    with django_assert_max_num_queries(25):
        client.get(address(change, flip="foo:1&flip=foo:2&flip=foo:3", **flips))


def test_an_unknown_device_is_not_found(client: Client, world: Newer) -> None:
    client.force_login(world.reviewer)
    assert client.get(reverse("device", args=["up", "2.0", "nothing"])).status_code == 404


def test_new_catalogue_has_what_these_tests_rely_on() -> None:
    assert new_catalogue().descriptions["foo"].version_id == 3


# --- Consequences ---------------------------------------------------------------------------------


def preview(client: Client, change: ChangeRequest, flip: str, **asked: Any) -> HttpResponse:
    url = reverse("overrides-preview", args=["down", "2.0", "foo"])
    data = {"change": change.pk, "machine_type": OLDER, "flip": flip} | asked
    return client.get(url, data, headers=HTMX)


def test_a_preview_tells_values_and_outcomes_and_writes_nothing(
    client: Client, world: Newer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previewing, "PATIENCE", 60)
    change = world.change()
    change = edits.add_migration(change, world.maintainer, 1, "down 2.0", "down 2.0", "correct")
    client.force_login(world.maintainer)
    page = preview(client, change, "foo:3").text
    assert '<span class="before">0x6</span>' in page
    assert '<span class="after">0xe</span>' in page
    assert "on 2 of 2 machine types" in page
    assert "refused" in page
    assert "the policy promises correct" in page
    alone = preview(client, change, "foo:3", only=OLDER).text
    assert "on 1 of 2 machine types" in alone
    assert preview(client, change, "foo:3", only="pc-none").status_code == 404
    assert actions(change) == []


def test_a_preview_that_takes_long_is_a_job_and_its_answer_is_shown(
    client: Client, world: Newer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previewing, "PATIENCE", -1)
    change = world.change()
    client.force_login(world.maintainer)
    page = preview(client, change, "foo:3").text
    assert "data-live=" in page
    job = Job.objects.get(kind=Job.Kind.PREVIEW)
    tasks.run_preview(job.pk)
    assert '<span class="after">0xe</span>' in preview(client, change, "foo:3").text
    assert Job.objects.filter(kind=Job.Kind.PREVIEW).count() == 1


def test_a_preview_of_what_was_edited_meanwhile_says_so(
    client: Client, world: Newer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previewing, "PATIENCE", -1)
    change = world.change()
    client.force_login(world.maintainer)
    preview(client, change, "foo:3")
    edits.set_override(change, world.maintainer, 1, "foo", "foo", 1, "relax", "why")
    tasks.run_preview(Job.objects.get(kind=Job.Kind.PREVIEW).pk)
    assert "edited in the meantime" in Job.objects.get(kind=Job.Kind.PREVIEW).error


@pytest.mark.parametrize("flip", ["foo:9", "foo:x", "foo:" + "9" * 40, "foo:²", ""])
def test_a_preview_of_nothing_is_not_found(client: Client, world: Newer, flip: str) -> None:
    change = world.change()
    client.force_login(world.maintainer)
    assert preview(client, change, flip).status_code == 404


# --- Layouts --------------------------------------------------------------------------------------


def test_the_layout_of_each_version_stands_beside_another_releases(
    client: Client, world: Newer
) -> None:
    client.force_login(world.reviewer)
    url = reverse("device", args=["up", "2.0", "foo"])
    page = client.get(url, {"beside": "up 1.0"}).text
    assert "up 1.0 reads versions 1 to 1" in page
    assert page.count("pair-only-here") == 2
    same = client.get(url, {"beside": "up 1.0", "at": 1}).text
    assert "the same fields" in same
    unknown = client.get(url, {"beside": "up 9.9"}).text
    assert "There is no release" in unknown


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
