"""Features are proposed from what two catalogues show."""

from __future__ import annotations

from typing import Any

from policy_world import FEATURE_S, new_catalogue, old_catalogue
from sample_subjects import catalogue as sample

from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    Description,
    Field,
    PropertyInfo,
)
from machines.emulator.features import Carrier, Gate
from policy import rules
from policy.document import Backport, CatalogueRef, Policy, from_json
from policy.rules.proposals import Proposal, check_feature, grafts_for, propose


def proposals() -> dict[str, Proposal]:
    return {item.spec.slug: item for item in propose(old_catalogue(), new_catalogue())}


def test_a_new_subsection_is_a_feature_of_its_own() -> None:
    found = proposals()["foo-s"]
    assert found.spec.carriers == (Carrier("foo/foo/s", subsection=True),)
    assert found.spec.gate == Gate("foo", "x-s", "on")
    assert [graft.section for graft in found.grafts] == ["foo/foo/s"]


def test_each_raised_version_is_a_feature() -> None:
    found = proposals()
    assert found["foo-foo-v2"].spec.carriers == (Carrier("foo", version=2, fields=("d",)),)
    assert found["foo-foo-v3"].spec.carriers == (Carrier("foo", version=3, fields=("e",)),)
    (graft,) = found["foo-foo-v2"].grafts
    assert (graft.description["version_id"], len(graft.description["Fields"])) == (2, 2)


def test_a_new_property_that_older_machine_types_switch_off() -> None:
    found = proposals()["foo-x-s"]
    assert (found.spec.carriers, found.spec.gate) == ((), Gate("foo", "x-s", "on"))


def test_of_real_releases_the_features_that_broke_migrations_are_proposed() -> None:
    """Between 7.2 and 10.0: new subsections, and properties that older machine types switch off."""
    found = {item.spec.slug: item.spec for item in propose(sample("qemu/7.2"), sample("qemu/10.0"))}
    assert found["virtio-gpu-device-blob"].carriers[0].subsection
    gates = {spec.gate for spec in found.values() if spec.gate is not None}
    assert Gate("e1000e", "migrate-timadj", "on") in gates
    assert Gate("virtio-gpu-device", "x-scanout-vmstate-version", "2") in gates
    assert len(found) < 60  # what a person can look through


def test_nothing_is_proposed_between_equal_catalogues() -> None:
    assert propose(new_catalogue(), new_catalogue()) == ()


def test_what_is_proposed_can_be_recorded_taken_and_read_back() -> None:
    for proposal in proposals().values():
        check_feature(proposal.spec, new_catalogue(), "up 2.0")
        grafts = grafts_for(proposal.spec, new_catalogue(), old_catalogue())
        assert grafts == proposal.grafts
        policy = Policy("down", "1", CatalogueRef("up 1.0", "a"), (Backport(proposal.spec),))
        assert from_json(policy.to_json()) == policy
        rules.effective_catalogue(old_catalogue(), [Backport(proposal.spec, grafts=grafts)])


def test_a_release_that_has_the_version_already_needs_no_graft() -> None:
    linear = proposals()["foo-foo-v2"].spec
    assert grafts_for(linear, new_catalogue(), new_catalogue()) == ()
    assert grafts_for(FEATURE_S, new_catalogue(), new_catalogue()) != ()


def gained(*fields: Field, version: int = 1, **more: Any) -> Catalogue:
    """Upstream 1.0 with these fields behind the first one of foo."""
    description = Description("foo", version, 1, (Field("a", 4), *fields, Field("z", 4)), ())
    return old_catalogue(descriptions={"foo": description}, **more)


BARE, TEMPO = gained(), Field("tempo", 4, conditional=True)


def test_a_conditional_field_at_the_same_version_is_a_feature() -> None:
    """Nothing else may come into a layout whose version stays: a plain one would break it."""
    (found,) = propose(BARE, gained(TEMPO))
    assert found.spec.carriers == (Carrier("foo", fields=("tempo",)),)
    assert found.spec.gate is None
    assert propose(BARE, gained(Field("tempo", 4))) == ()
    check_feature(found.spec, gained(TEMPO), "up 2.0")


def test_a_property_brings_the_field_that_it_decides() -> None:
    switched = {
        "properties": {"foo": {"migrate-tempo": PropertyInfo("migrate-tempo", "bool", True)}},
        "arrays": {"hw_compat_1_0": (CompatProperty("foo", "migrate-tempo", "off"),)},
    }
    (found,) = propose(BARE, gained(TEMPO, **switched))
    assert found.spec.gate == Gate("foo", "migrate-tempo", "on")
    assert found.spec.carriers == (Carrier("foo", fields=("tempo",)),)
    assert "it decides whether tempo is sent" in found.summary


def test_a_field_comes_into_the_releases_own_layout() -> None:
    """Behind the field that it follows where it was introduced; the release's own fields stay."""
    spec = propose(BARE, gained(TEMPO))[0].spec
    own = gained(Field("mine", 2), version=2)
    grafts = grafts_for(spec, gained(TEMPO), own)
    taken = rules.effective_catalogue(own, [Backport(spec, grafts=grafts)]).descriptions["foo"]
    assert [item.name for item in taken.fields] == ["a", "tempo", "mine", "z"]
    assert taken.version_id == 2
    assert grafts_for(spec, gained(TEMPO), gained(TEMPO)) == ()


def test_the_field_of_e1000e_comes_to_its_place() -> None:
    old, new = sample("qemu/7.2"), sample("qemu/10.0")
    (found,) = [item for item in propose(old, new) if item.spec.slug == "e1000e-migrate-timadj"]
    taken = rules.effective_catalogue(old, [Backport(found.spec, grafts=found.grafts)])
    before, after, introduced = (
        [item.name for item in catalogue.descriptions["e1000e"].fields]
        for catalogue in (old, taken, new)
    )
    place = after.index("core.timadj")
    assert [*after[:place], *after[place + 1 :]] == before
    assert after[place - 1] == introduced[introduced.index("core.timadj") - 1]
