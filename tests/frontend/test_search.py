"""Search over everything."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from frontend.searching import SHOWN, Group, search
from machines.catalogue import import_catalogue
from machines.emulator.catalogue import MachineType, PropertyInfo
from machines.models import Release
from policy.models import Comment, Feature, Trial
from policy.publishing import bundle
from tests.policy.policy_world import TYPES, World, new_catalogue, old_catalogue, person, release

pytestmark = pytest.mark.django_db


def found(client: Client, words: str) -> str:
    return client.get(reverse("search"), {"q": words}).text


def test_names_find_releases_machine_types_devices_and_changes(client: Client) -> None:
    world = World()
    change = world.change()
    client.force_login(world.reviewer)
    assert "/releases/down/1.2/" in found(client, "down 1.2")
    assert "/releases/up/2.0/devices/foo/" in found(client, "fo")
    assert "/machine-types/pc-q35-1.0/" in found(client, "q35-1.0")
    assert f"#{change.pk} A change" in found(client, "A change")
    assert f"#{change.pk} A change" in found(client, f"#{change.pk}")
    assert "Nothing has such a name" in found(client, "zzz")


def test_properties_and_sections_lead_to_their_device(client: Client) -> None:
    world = World()
    client.force_login(world.reviewer)
    device = "/releases/up/2.0/devices/foo/"
    assert f'href="{device}#device-properties">foo.speed<' in found(client, "foo.speed")
    assert f'href="{device}">foo</a> <span class="muted">foo<' in found(client, "foo")


def test_what_several_releases_have_is_one_hit_that_stays_with_the_release(client: Client) -> None:
    world = World()
    client.force_login(world.reviewer)
    client.get("/releases/up/1.0/devices/")
    page = found(client, "foo")
    assert page.count('class="mono" data-row-link href="/releases/up/1.0/devices/foo/">') == 2
    assert '>foo</a> <span class="muted">up 1.0 +1<' in page


def test_comments_are_found_once_they_are_published(client: Client) -> None:
    world = World()
    change = world.in_review()
    client.force_login(world.reviewer)
    client.post(
        reverse("threads", args=[change.pk]), {"text": "Does the older one carry this already?"}
    )
    draft = Comment.objects.get()
    assert f"#comment-{draft.pk}" in found(client, "carry")
    client.force_login(world.maintainer)
    assert f"#comment-{draft.pk}" not in found(client, "carry")


def test_people_are_found_and_have_a_page(client: Client) -> None:
    world = World()
    change = world.change()
    client.force_login(world.reviewer)
    address = reverse("person", args=[world.maintainer.username])
    assert address in found(client, world.maintainer.username)
    page = client.get(address).text
    assert f"#{change.pk} A change" in page
    person("stranger")
    assert client.get(reverse("person", args=["stranger"])).status_code == 404


def test_the_box_gets_options(client: Client) -> None:
    client.force_login(World().reviewer)
    part = client.get(reverse("search"), {"q": "foo"}, headers={"HX-Request": "true"}).text
    assert 'role="option"' in part
    assert "<html" not in part


def test_strangers_find_nothing(client: Client) -> None:
    World().change()
    client.force_login(person("stranger"))
    assert "Nothing has such a name" in found(client, "foo")


def test_it_asks_a_constant_number_of_queries(
    client: Client, django_assert_max_num_queries
) -> None:
    client.force_login(World().maintainer)
    with django_assert_max_num_queries(22):
        found(client, "oo")


def test_a_single_letter_finds_names_but_not_what_there_is_too_much_of(client: Client) -> None:
    client.force_login(World().maintainer)
    page = found(client, "f")
    assert ">foo</a>" in page
    assert "foo.speed" not in page


# --- What is imported is read once ----------------------------------------------------------------


def test_what_another_import_brings_is_found_and_what_it_takes_is_not(client: Client) -> None:
    world = World()
    client.force_login(world.reviewer)
    assert ">foo.x-s</a>" in found(client, "foo.")
    types = TYPES | {"bar": "device"}
    import_catalogue(world.new, old_catalogue(types=types), source="another", user=None)
    page = found(client, "foo.")
    assert ">foo.speed</a>" in page
    assert "foo.x-s" not in page
    assert ">bar</a>" in found(client, "bar")
    import_catalogue(world.new, new_catalogue(), source="the first one again", user=None)
    assert ">foo.x-s</a>" in found(client, "foo.")
    assert ">bar</a>" not in found(client, "bar")


def test_a_further_search_asks_nothing_more_of_what_is_imported(
    client: Client, django_assert_max_num_queries
) -> None:
    client.force_login(World().maintainer)
    found(client, "foo")
    with django_assert_max_num_queries(20) as asked:
        found(client, "speed")
    rows = ("machines_property", "machines_section")
    assert not [query for query in asked if any(table in query["sql"] for table in rows)]


def test_names_are_found_whatever_their_case_the_shortest_first(client: Client) -> None:
    world = World()
    named = ("VGA", "vga-b", "VGA-a", "secondary-vga")
    release("up", "3.0", old_catalogue(types=TYPES | dict.fromkeys(named, "device")))
    groups = search("vGa", world.reviewer, None, SHOWN)
    [hits] = [group.hits for group in groups if group.name == "devices"]
    assert [hit.label for hit in hits] == ["VGA", "VGA-a", "vga-b", "secondary-vga"]
    assert not search("v%a", world.reviewer, None, SHOWN)


# --- More than is shown ---------------------------------------------------------------------------


def crowded(number: int) -> Release:
    """A release with so many device types, machine types, and properties of one of them."""
    names = [f"bar-{n:02}" for n in range(number)]
    return release(
        "up",
        "3.0",
        old_catalogue(
            types=TYPES | dict.fromkeys(names, "device"),
            properties={"bar-00": {f"p{n}": PropertyInfo(f"p{n}", "bool") for n in range(number)}},
            machine_types={f"pc-{name}": MachineType(f"pc-{name}") for name in names},
        ),
    )


def more(page: str) -> list[tuple[str, str]]:
    """The last rows of cards that lead to a list: (address, words)."""
    rows = re.findall(r'There are more:\s*<a data-row-link href="([^"]+)">([^<]+)<', page)
    return [(unescape(address), words) for address, words in rows]


def test_what_is_left_out_is_in_the_list_that_the_last_row_leads_to(client: Client) -> None:
    world = World()
    crowded(SHOWN + 1)
    client.force_login(world.reviewer)
    client.get("/releases/up/1.0/devices/")
    page = found(client, "bar")
    assert more(page) == [
        ("/releases/up/3.0/machine-types/?q=bar", "those of up 3.0"),
        ("/releases/up/3.0/devices/?q=bar", "those of up 3.0"),
    ]
    assert page.count("There are more: another word narrows it.") == 1
    assert ">bar-12</a>" not in page
    assert all("bar-12" in client.get(address).text for address, _words in more(page))


def test_the_list_is_of_the_release_that_the_person_looks_at(client: Client) -> None:
    world = World()
    crowded(SHOWN + 1)
    one = old_catalogue(types=TYPES | {"bar-13": "device"})
    import_catalogue(world.old, one, source="another", user=None)
    client.force_login(world.reviewer)
    for version in ("3.0", "1.0"):
        client.get(f"/releases/up/{version}/devices/")
        leads_to = f"/releases/up/{version}/devices/?q=bar", f"those of up {version}"
        assert leads_to in more(found(client, "bar"))


def test_nothing_is_said_of_more_where_all_is_shown(client: Client) -> None:
    world = World()
    crowded(SHOWN)
    client.force_login(world.reviewer)
    page = found(client, "bar")
    assert page.count('class="mono" data-row-link') == 3 * SHOWN
    assert "There are more" not in page


def test_the_box_says_no_more_than_that_there_are_all_results(client: Client) -> None:
    world = World()
    crowded(SHOWN + 1)
    client.force_login(world.reviewer)
    part = client.get(reverse("search"), {"q": "bar"}, headers={"HX-Request": "true"}).text
    assert part.count('class="search-hit"') == 3 * 5
    assert "All results" in part
    assert "There are more" not in part


def two_of_each(world: World) -> None:
    """Two of each kind that a list has."""
    world.published()
    for revision in (world.release.revisions.get(), world.published_again()):
        bundle.store(revision)
    for n in (1, 2):
        world.change()
        Feature.objects.create(slug=f"down-{n}", title=f"Down {n}", device="foo", carriers=[],
                               introduced=world.new, created_by=world.maintainer)  # fmt: skip
        Trial.objects.create(key=f"{n:064}", source=world.release, destination=world.release,
                             machine_type="pc-down", inputs={}, state=Trial.State.DONE,
                             outcome="refused")  # fmt: skip
    release("down", "1.3", None)


def one_shown(user: User, words: str) -> dict[str, Group]:
    """The kinds that have more than one."""
    return {group.name: group for group in search(words, user, None, 1) if group.more}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("releases", "DOWN 1."),
        ("features", "down"),
        ("changes", "change a"),
        ("trials", "pc-down down 1.2"),
        ("trials", "refused"),
        ("trials", "Refused pc-down"),
        ("bundles", "down"),
        ("machine-types", "down"),
    ],
)
def test_a_list_has_all_that_the_search_finds(client: Client, kind: str, words: str) -> None:
    world = World()
    two_of_each(world)
    client.force_login(world.reviewer)
    group = one_shown(world.reviewer, words)[kind]
    assert len(group.hits) == 1
    assert group.listed is not None
    rows = client.get(group.listed.href).text
    every = [found for found in search(words, world.reviewer, None, SHOWN) if found.name == kind]
    assert len(every[0].hits) >= 2
    assert [hit.label for hit in every[0].hits if f'href="{hit.href}"' not in rows] == []


def test_part_of_an_outcome_is_looked_for_by_no_list() -> None:
    world = World()
    two_of_each(world)
    trials = one_shown(world.reviewer, "refu")["trials"]
    assert trials.more
    assert trials.listed is None
