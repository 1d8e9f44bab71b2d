"""What the sentences of the stories mean. Everything goes through the doors that people use."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from storybook import step

from machines.catalogue import import_catalogue
from machines.emulator import scenario
from machines.emulator.catalogue import Catalogue, MachineType
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.catalogue.composition import compose
from machines.models import Release, Tree
from policy import edits, state, trials
from policy.errors import Forbidden, Invalid
from policy.findings import Finding
from policy.models import ChangeRequest, Feature, Membership, Revision, Role
from policy.review import checking, examining, workflow

SAMPLE = Path(__file__).resolve().parents[2] / "machines" / "sample"
ROLES = {
    "maintainer": Role.MAINTAINER,
    "reviewer": Role.REVIEWER,
    "release manager": Role.RELEASE_MANAGER,
}


@dataclass
class World:
    """The people, the change request that is open, and what was last looked at."""

    people: dict[str, User] = field(default_factory=dict)
    change: ChangeRequest | None = None
    finding: Finding | None = None
    revision: Revision | None = None

    @property
    def open_change(self) -> ChangeRequest:
        assert self.change is not None, "no change request was opened yet"
        self.change.refresh_from_db()
        return self.change

    def edit(self, function: object, *arguments: object) -> None:
        """One edit by the maintainer, at the version that is there."""
        change = self.open_change
        assert callable(function)
        self.change = function(change, self.people["maintainer"], change.lock_version, *arguments)

    def findings(self) -> list[Finding]:
        return [item.finding for item in examining.findings_of(self.open_change)]

    def blocking(self) -> list[Finding]:
        found = examining.findings_of(self.open_change)
        return [item.finding for item in found if item.blocks]


def _release(label: str, base: str = "", stand_in: str = "") -> Release:
    tree, _, version = label.partition(" ")
    owner, _ = Tree.objects.get_or_create(name=tree)
    return Release.objects.create(
        tree=owner,
        version=version,
        base=state.release_of(base) if base else None,
        stand_in=state.release_of(stand_in) if stand_in else None,
    )


def _import(release: Release, catalogue: Catalogue) -> None:
    import_catalogue(release, catalogue, source="a story", user=None)


# --- Given: people and releases -------------------------------------------------------------------


@step("a maintainer, a reviewer and a release manager of the tree {}")
def people(world: World, tree: str) -> None:
    owner, _ = Tree.objects.get_or_create(name=tree)
    for name, role in ROLES.items():
        world.people[name] = User.objects.create_user(name)
        Membership.objects.create(user=world.people[name], tree=owner, role=role)


@step("the release {} of QEMU, imported from the output of its own commands")
def upstream_release(world: World, label: str) -> None:
    _import(_release(label), read_directory(SAMPLE / "qemu" / label.partition(" ")[2]))


@step("the release {}, of which nothing is imported")
def bare_release(world: World, label: str) -> None:
    _release(label)


@step("the release {} on base {}, imported from the C arrays of its package, with {}")
def downstream_release(world: World, label: str, base: str, machine_types: str) -> None:
    _import(_release(label, base), _arrays(label, machine_types))


@step("the release {} on base {}, for which {} stands in, with {}")
def downstream_with_stand_in(
    world: World, label: str, base: str, stand_in: str, machine_types: str
) -> None:
    _import(_release(label, base, stand_in), _arrays(label, machine_types))


def _arrays(label: str, machine_types: str) -> Catalogue:
    arrays = read_directory(SAMPLE / "rhel" / label.partition(" ")[2]).arrays
    machines = {
        name: MachineType(name, compat=compose(name, arrays), compat_source="arrays")
        for name in machine_types.split()
    }
    return Catalogue("", arrays=arrays, machine_types=machines)


@step("upstream's releases 1.0, 2.0 (which adds D) and 3.0 (which adds E) of {}, each feature {}")
def scenario_upstream(world: World, device: str, style: str) -> None:
    assert device == "foo"
    for version in scenario.UPSTREAM:
        side = scenario.upstream(_style(style), version, scenario.MACHINE_TYPES[0])
        _import(_release(f"upstream {version}"), _telling(side.catalogue))


@step("the release {} on base {}, whose own build calls E a version 2 of {}")
def scenario_downstream(world: World, label: str, base: str, device: str) -> None:
    assert device == "foo"
    side = scenario.downstream("linear", scenario.MACHINE_TYPES[0])
    _import(_release(label, base), _telling(side.catalogue))


@step("the release {} on base {}, with nothing of its own yet")
def scenario_fresh_downstream(world: World, label: str, base: str) -> None:
    _release(label, base)


def _style(words: str) -> scenario.Style:
    return "linear" if words == "a further version of its one section" else "sections"


def _telling(catalogue: Catalogue) -> Catalogue:
    """The scenario's machine types, as a release that tells what they set."""
    machines = {
        name: MachineType(name, compat=item.compat, compat_source="query-machines")
        for name, item in catalogue.machine_types.items()
    }
    return Catalogue(
        catalogue.version,
        types=catalogue.types,
        descriptions=catalogue.descriptions,
        properties=catalogue.properties,
        machine_types=machines,
    )


# --- When: decisions ------------------------------------------------------------------------------


@step("the maintainer opens a change of {}: {}")
def open_change(world: World, label: str, title: str) -> None:
    release = state.release_of(label)
    assert release is not None, label
    world.change = edits.open_change(release, world.people["maintainer"], title)


@step("the maintainer chooses the devices {} for the trials")
def choose_devices(world: World, devices: str) -> None:
    world.edit(edits.choose_devices, tuple(devices.split()))


@step("the maintainer declares that guests of {} migrate to {} and stay {}")
def declare(world: World, source: str, destination: str, expected: str) -> None:
    declared = [(item.source, item.destination) for item in world.open_change.policy.migrations]
    if (source, destination) not in declared:
        world.edit(edits.add_migration, source, destination, expected)


@step("the maintainer declares that guests of {} with {} migrate to {} and stay {}")
def declare_one(
    world: World, source: str, machine_type: str, destination: str, expected: str
) -> None:
    world.edit(edits.add_migration, source, destination, expected, machine_type)


@step("the maintainer removes the entry {} from {}")
def remove_entry(world: World, named: str, machine_type: str) -> None:
    found = world.open_change.policy.machine_type(machine_type)
    assert found is not None, machine_type
    there = [f"{entry.driver}.{entry.property}" for entry in found.entries]
    world.edit(edits.remove_entry, machine_type, there.index(named))


@step("the maintainer takes the feature E of {} from {}, because {}")
def take_feature(world: World, device: str, label: str, why: str) -> None:
    release = state.release_of(label)
    assert release is not None, label
    feature = Feature.objects.filter(slug=f"{device}-e").first() or edits.record_feature(
        world.people["maintainer"],
        release,
        f"{device}-e",
        "Feature E",
        "",
        device,
        [{"section": f"{device}/{device}.e", "subsection": True}],
        {"driver": device, "property": "e", "on": "on"},
    )
    world.edit(edits.add_backport, feature, "a commit", "", why)


@step("the maintainer adds the machine type {}")
def add_machine_type(world: World, name: str) -> None:
    world.edit(edits.add_machine_type, name, "")


@step("the maintainer allows that {} of {} is absent on {}, because {}")
def allow_absence(world: World, section: str, device: str, machine_type: str, why: str) -> None:
    world.edit(edits.set_override, device, section, 0, "relax", why, machine_type)


@step("the maintainer accepts what is proposed first")
def accept_proposal(world: World) -> None:
    assert world.finding is not None, "no finding was looked at yet"
    world.edit(edits.apply_proposal, world.finding.identity, 0)


@step("the maintainer waives every error that is left, because {}")
def waive(world: World, why: str) -> None:
    last = checking.today() + timedelta(days=90)
    for finding in world.blocking():
        world.edit(edits.waive_finding, finding.identity, "", "", why, last)


# --- When: review ---------------------------------------------------------------------------------


@step("the maintainer submits the change, and its trials are held")
def submit(world: World) -> None:
    world.change = workflow.submit(world.open_change, world.people["maintainer"])
    for item in trials.required(world.open_change):
        if item.trial is not None and item.verdict == "not-run":
            trials.run(item.trial)


@step("the reviewer approves exactly this content")
def approve(world: World) -> None:
    change = world.open_change
    world.change = workflow.approve(change, world.people["reviewer"], change.digest)


@step("the release manager publishes")
def publish(world: World) -> None:
    world.revision = workflow.publish(world.open_change, world.people["release manager"])


# --- Then -----------------------------------------------------------------------------------------


@step("no finding is an error")
def no_error(world: World) -> None:
    assert [item.text for item in world.findings() if item.severity == "error"] == []


@step("before any trial there is the error {} about {} on {}")
def error_on(world: World, code: str, place: str, machine_type: str) -> None:
    _look_at(world, code, place, machine_type, "error")


@step("there is the warning {} about {} on {}")
def warning_on(world: World, code: str, place: str, machine_type: str) -> None:
    _look_at(world, code, place, machine_type, "warning")


def _look_at(world: World, code: str, place: str, machine_type: str, severity: str) -> None:
    found = [
        item
        for item in world.findings()
        if (item.code, item.severity) == (code, severity)
        and place in {f"{item.place.device}.{item.place.property}", item.place.section}
        and machine_type in item.machine_types
    ]
    told = [(item.code, item.severity, str(item.place)) for item in world.findings()]
    assert found, f"there is only {told}"
    world.finding = found[0]


@step("it says {}")
def it_says(world: World, words: str) -> None:
    assert world.finding is not None
    assert words in world.finding.text, world.finding.text


@step("it is settled")
def settled(world: World) -> None:
    assert world.finding is not None
    left = [item for item in world.findings() if item.identity == world.finding.identity]
    assert [item.severity for item in left if item.severity == "error"] == []


@step("the way {} is all that is left of it")
def one_way_is_left(world: World, pair: str) -> None:
    assert world.finding is not None
    [left] = [item for item in world.findings() if item.identity == world.finding.identity]
    assert [str(item) for item in left.pairs] == [pair]


@step("the trial of {} to {} with {} ends {}")
def trial_ends(world: World, source: str, destination: str, machine_type: str, end: str) -> None:
    wanted = source, destination, machine_type
    [found] = [
        item
        for item in trials.required(world.open_change)
        if (item.required.source, item.required.destination, item.required.machine_type) == wanted
    ]
    assert found.trial is not None, found.problem
    assert found.trial.outcome == end, found.trial.result


@step("every trial ends as declared")
def all_pass(world: World) -> None:
    found = trials.required(world.open_change)
    assert found
    differing = [
        f"{item.required}: {item.problem or (item.trial and item.trial.result)}"
        for item in found
        if item.verdict != "passed"
    ]
    assert not differing, "\n".join(differing)


@step("publishing is not possible: {}")
def not_possible(world: World, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        workflow.publish(world.open_change, world.people["release manager"])


@step("the maintainer cannot approve it")
def four_eyes(world: World) -> None:
    change = world.open_change
    with pytest.raises(Forbidden):
        workflow.approve(change, world.people["maintainer"], change.digest)


@step("revision {} of {} is published")
def published(world: World, number: str, label: str) -> None:
    assert world.revision is not None
    assert str(world.revision.number) == number
    assert world.revision.release.label == label


@step("it holds {} for guests that were started on {} with {}")
def holds_mitigation(world: World, entry: str, started_on: str, machine_type: str) -> None:
    assert world.revision is not None
    held = [
        f"{one.driver}.{one.property}={one.value}"
        for item in state.policy_of(world.revision).mitigations
        if (item.started_on, item.machine_type) == (started_on, machine_type)
        for one in item.entries
    ]
    assert entry in held, held
