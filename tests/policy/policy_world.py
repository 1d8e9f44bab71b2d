"""A small world to test policies in: device ``foo`` of the trees ``up`` and ``down``.

Upstream 1.0 has ``foo`` at version 1; 2.0 adds field ``d`` (version 2), field ``e`` (version 3),
subsection ``foo/s`` with the property that gates it, and a section at version 10000 (``big``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User

from machines.catalogue import import_catalogue
from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)
from machines.emulator.features import Carrier, FeatureSpec, Gate
from machines.models import Release, Tree
from policy import edits, trials
from policy.models import ChangeRequest, Membership, Revision, Role
from policy.review import checking, examining, workflow

TYPES = {"object": None, "device": "object", "foo": "device", "big": "device"}
MACHINES = ("pc-q35-down1.2.0", "pc-q35-down1.1.0")
D, E = Field("d", 4, version_id=2), Field("e", 4, version_id=3)
SUB = Description("foo/s", 1, 1, (Field("s", 4),))
BIG = Description("big", 10_000, 1, (Field("a", 4), Field("late", 4, version_id=5000)))

FEATURE_D = FeatureSpec("foo-d", "D", "foo", (Carrier("foo", version=2, fields=("d",)),))
FEATURE_S = FeatureSpec(
    "foo-s", "S", "foo", (Carrier("foo/foo/s", subsection=True),), Gate("foo", "x-s", "on")
)


def foo(version: int, *fields: Field, subsections: tuple[Description, ...] = ()) -> Description:
    return Description("foo", version, 1, (Field("a", 4), *fields), subsections)


def old_catalogue(**changed: Any) -> Catalogue:
    properties = {"foo": {"speed": PropertyInfo("speed", "uint32", 5)}}
    values: dict[str, Any] = {
        "version": "1.0.0",
        "types": TYPES,
        "descriptions": {"foo": foo(1), "big": BIG},
        "properties": properties,
    }
    return Catalogue(**values | changed)


def new_catalogue() -> Catalogue:
    properties = {
        "foo": {
            "speed": PropertyInfo("speed", "uint32", 5),
            "x-s": PropertyInfo("x-s", "bool", True),
        }
    }
    return old_catalogue(
        version="2.0.0",
        descriptions={"foo": foo(3, D, E, subsections=(SUB,)), "big": BIG},
        properties=properties,
        machine_types={
            "pc-q35-1.0": MachineType("pc-q35-1.0", compat=(CompatProperty("foo", "x-s", "off"),))
        },
    )


def arrays() -> Catalogue:
    """What the downstream tells of itself: machine types and the arrays that compose them."""
    read = {
        "pc_down_compat": (CompatProperty("foo", "speed", "5", "pc_down_compat"),),
        "hw_compat_down_1_1": (CompatProperty("foo", "speed", "4", "hw_compat_down_1_1"),),
    }
    newest = read["pc_down_compat"]
    lists = {MACHINES[0]: newest, MACHINES[1]: newest + read["hw_compat_down_1_1"]}
    machines = {name: MachineType(name, compat=lists[name]) for name in MACHINES}
    return Catalogue("", machine_types=machines, arrays=read)


def release(tree: str, version: str, catalogue: Catalogue | None, **values: Any) -> Release:
    owner, _ = Tree.objects.get_or_create(name=tree)
    made = Release.objects.create(tree=owner, version=version, **values)
    if catalogue is not None:
        import_catalogue(made, catalogue, source="test", user=None)
    return made


def person(name: str, *roles: Role, tree: str = "down", **values: Any) -> User:
    user = User.objects.create_user(name, **values)
    for role in roles:
        owner, _ = Tree.objects.get_or_create(name=tree)
        Membership.objects.create(user=user, tree=owner, role=role)
    return user


class World:
    """Upstream 1.0 and 2.0, downstream 1.2 based on 1.0, and one person for each role."""

    def __init__(self) -> None:
        self.old = release("up", "1.0", old_catalogue())
        self.new = release("up", "2.0", new_catalogue())
        self.release = release("down", "1.2", arrays(), base=self.old)
        self.maintainer = person("maintainer", Role.MAINTAINER)
        self.other = person("other", Role.MAINTAINER, Role.REVIEWER)
        self.reviewer = person("reviewer", Role.REVIEWER)
        self.manager = person("manager", Role.RELEASE_MANAGER)

    def change(self) -> ChangeRequest:
        return edits.open_change(self.release, self.maintainer, "A change")

    def in_review(self) -> ChangeRequest:
        return workflow.submit(self.change(), self.maintainer)

    def approved(self) -> ChangeRequest:
        change = self.in_review()
        return workflow.approve(change, self.reviewer, change.digest)

    def published(self) -> Revision:
        return workflow.publish(self.approved(), self.manager)

    def published_again(self) -> Revision:
        """A further revision, with one value written otherwise."""
        change = workflow.submit(self.edit(self.change(), self.maintainer, "0x5"), self.maintainer)
        change = workflow.approve(change, self.reviewer, change.digest)
        return workflow.publish(change, self.manager)

    def publish(self, change: ChangeRequest) -> Revision:
        """Waive what the rules say against it, and bring it through review."""
        change = workflow.submit(self.waived(change), self.maintainer)
        change = workflow.approve(change, self.reviewer, change.digest)
        return workflow.publish(change, self.manager)

    def waived(self, change: ChangeRequest) -> ChangeRequest:
        """The change with every finding waived that is in its way."""
        change.refresh_from_db()
        last = checking.today() + timedelta(days=9)
        for item in examining.findings_of(change):
            if item.blocks:
                change = edits.waive_finding(
                    change,
                    self.maintainer,
                    change.lock_version,
                    item.finding.identity,
                    "",
                    "",
                    "Known.",
                    last,
                )
        return change

    def harmless(self, change: ChangeRequest) -> ChangeRequest:
        """An edit that no rule has anything against."""
        devices = ["big"] if change.policy.devices == ("foo",) else ["foo"]
        return edits.choose_devices(change, self.maintainer, change.lock_version, devices)

    def edit(self, change: ChangeRequest, actor: User, value: str = "7") -> ChangeRequest:
        """Some edit of the content."""
        change.refresh_from_db()
        version = change.lock_version
        return edits.change_entry(change, actor, version, MACHINES[0], 0, value)


def run_trials(change: ChangeRequest, actor: User) -> list[str]:
    """Run what the change lacks; returns each requirement's verdict."""
    for trial in trials.enqueue_missing(change, actor):
        trials.run(trial)
    return [item.verdict for item in trials.required(change)]
