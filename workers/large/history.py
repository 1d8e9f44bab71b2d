"""The made-up trees' history: releases, first policies, trials, and change requests in every state.

Told through the doors that people use, but for two: whoever submits does not wait for what the
rules find, and what is published was not held up by it. Each would compare ninety machine types
with those of every other release, several hundred times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from machines.catalogue import import_catalogue
from machines.emulator.catalogue import CompatProperty
from machines.emulator.catalogue.answers import read_directory
from machines.models import Release, Tree
from policy import audit, drafts, edits, state, trials
from policy.document import Mitigation, Override, Policy, differences
from policy.models import ChangeRequest, Feature, Trial
from policy.publishing import bundle, revisions
from policy.review import discussion, reviewers, workflow
from policy.review import standing as standings
from policy.review.votes import approvals
from policy.trials import altered, published
from workers.large import people
from workers.large.catalogues import BASES, LINES, Line, entries, made_up
from workers.models import Job
from workers.sample import SAMPLE

#: Told how far a stage is: done, in all, what it is about.
Report = Callable[[int, int, str], None]
Status = ChangeRequest.Status


@dataclass(frozen=True, slots=True)
class Size:
    """How much is made: ``machine_types`` of each release, the rest in all."""

    releases: int
    machine_types: int
    trials: int
    changes: int


FULL = Size(releases=40, machine_types=90, trials=5000, changes=300)
RECORDED = ("5.2", "7.2", "10.0", "11.1")
#: What the trials exercise: few devices, as there are so many trials.
DEVICES = ("mc146818rtc", "isa-serial", "i8042", "hpet", "virtio-rng-device")
#: How the further change requests stand, of a hundred.
SHARES = (
    (Status.PUBLISHED, 12),
    (Status.WITHDRAWN, 20),
    (Status.DRAFT, 22),
    (Status.SUBMITTED, 20),
    (Status.CHANGES_REQUESTED, 12),
    (Status.APPROVED, 14),
)
#: One trial of so many is left for a worker to run.
LEFT_TO_RUN = 50


def make(size: Size, seed: int, report: Report) -> None:
    """Make the data set in an empty database."""
    maker = _Maker(size, seed, report)
    maker.releases()
    maker.features()
    maker.first_policies()
    maker.run_trials()
    maker.changes()
    # What a scheduler would have noted by now.
    altered.refresh(math.inf)
    published.refresh(math.inf)


def lines_of(size: Size) -> Iterator[Line]:
    """The trees with as many of their newest releases as make up the size, at least one each."""
    whole = sum(len(line.releases) for line in LINES)
    for line in LINES:
        count = max(1, round(len(line.releases) * size.releases / whole))
        yield replace(line, releases=line.releases[-count:])


class _Maker:
    def __init__(self, size: Size, seed: int, report: Report) -> None:
        self._size = size
        self._seed = seed
        self._chance = Random(f"{seed}/history")  # noqa: S311 - the same again, no secret
        self._report = report
        self._recorded = {name: read_directory(SAMPLE / "qemu" / name) for name in RECORDED}
        self._entries = entries(self._recorded.values())
        users = User.objects.in_bulk(field_name="username")
        self._people = {
            role: [users[people.name_of(role, number)] for number in range(1, several + 1)]
            for role, several in people.NUMBERS.items()
        }

    def _one(self, role: str) -> User:
        return self._chance.choice(self._people[role])  # type: ignore[index]

    # Releases -------------------------------------------------------------------------------------

    def releases(self) -> None:
        """Each release with its catalogue."""
        lines = list(lines_of(self._size))
        total, done = sum(len(line.releases) for line in lines), 0
        for line in lines:
            tree = Tree.objects.create(name=line.tree, title=line.title)
            people.join(tree)
            for version, recorded in line.releases:
                self._release(tree, line, version, recorded)
                done += 1
                self._report(done, total, f"imported {tree} {version}")

    def _release(self, tree: Tree, line: Line, version: str, recorded: str) -> None:
        author = self._one("maintainer")
        catalogue = made_up(self._recorded, line, version, self._size.machine_types, self._seed)
        base = None if line.tree == "upstream" else _upstream(BASES[recorded])
        release = Release.objects.create(tree=tree, version=version, base=base)
        audit.record(author, "created release", release, after={"release": release.label})
        with transaction.atomic():
            found = import_catalogue(release, catalogue, source="made up", user=author)
            after = {"snapshot": found.snapshot.number, "sha256": found.snapshot.digest}
            audit.record(author, "import", release, after=after)

    def features(self) -> None:
        """Some features in the library, each of a section that a device has."""
        newest = _upstream(BASES["11.1"])
        known = self._recorded["11.1"].descriptions
        for driver in self._chance.sample(sorted(known), 40):
            section = known[driver].name
            Feature.objects.create(
                slug=f"made-up-{driver.lower().replace('_', '-').replace('.', '-')}",
                title=f"State of {driver} that older versions cannot carry",
                device=driver,
                carriers=[{"section": section, "version": known[driver].version_id}],
                introduced=newest,
                created_by=self._one("maintainer"),
            )

    # First policies -------------------------------------------------------------------------------

    def first_policies(self) -> None:
        """The first revision of each downstream release, and the trials that it promises."""
        downstreams = list(Release.objects.filter(base__isnull=False).select_related("tree"))
        for done, release in enumerate(downstreams, 1):
            change = edits.open_change(
                release, self._one("maintainer"), f"{release} as shipped", "As its arrays tell it."
            )
            change = self._edit(change, "choose devices", lambda old: replace(old, devices=DEVICES))
            if Trial.objects.count() < self._size.trials:
                trials.enqueue_missing(change, change.author)
            self._publish(self._submitted(change))
            self._report(done, len(downstreams), f"published {release}")

    def run_trials(self) -> None:
        """Run the trials, but for a few that wait."""
        waiting = [
            pk
            for pk in Trial.objects.filter(state=Trial.State.QUEUED).values_list("pk", flat=True)
            if self._chance.randrange(LEFT_TO_RUN)
        ]
        for done, pk in enumerate(waiting, 1):
            trials.run(Trial.objects.get(pk=pk))
            self._report(done, len(waiting), "trial migrations")
        now = timezone.now()
        Job.objects.filter(status=Job.Status.QUEUED).update(
            status=Job.Status.DONE, started_at=now, finished_at=now, result={}
        )

    # Change requests ------------------------------------------------------------------------------

    def changes(self) -> None:
        """Change requests in every state until there are as many as asked for."""
        downstreams = list(Release.objects.filter(base__isnull=False).select_related("tree"))
        wanted = self._size.changes - ChangeRequest.objects.count()
        for done, status in enumerate(self._states(wanted), 1):
            self._change(self._chance.choice(downstreams), status)
            self._report(done, wanted, "change requests")
        self.run_trials()

    def _states(self, wanted: int) -> Sequence[str]:
        """As many states as asked for, in some order; where there are few, still one of each."""
        shared = [s for s, share in SHARES for _ in range(math.ceil(wanted * share / 100))]
        self._chance.shuffle(shared)
        found = ([status for status, _ in SHARES] + shared)[: max(wanted, 0)]
        self._chance.shuffle(found)
        return found

    def _change(self, release: Release, status: str) -> None:
        author = self._one("maintainer")
        title, action, alter = self._chance.choice(
            (self._entry, self._mitigation, self._tightened, self._several)
        )()
        change = edits.open_change(release, author, title, "Made up, to see the pages at size.")
        change = self._edit(change, action, alter)
        if status == Status.DRAFT:
            return
        if status == Status.WITHDRAWN:
            workflow.withdraw(change, author)
            return
        change = self._submitted(change)
        self._talk(change, resolved=status in (Status.PUBLISHED, Status.APPROVED))
        self._decided(change, status)

    def _decided(self, change: ChangeRequest, status: str) -> None:
        if status == Status.CHANGES_REQUESTED:
            text = "Please say in the note which guests this is for."
            workflow.request_changes(change, self._one("reviewer"), change.digest, text)
        elif status == Status.PUBLISHED:
            self._publish(change)
        elif status == Status.APPROVED:
            change = workflow.approve(change, self._one("reviewer"), change.digest, "Looks right.")
            if Trial.objects.count() < self._size.trials:
                standings.note(change)
        elif self._chance.randrange(2):
            reviewers.request(change, change.author, self._one("reviewer").username)

    # Edits: a title, a name in the audit trail, and what is made of the draft ---------------------

    def _entry(self) -> tuple[str, str, Callable[[Policy], Policy]]:
        entry = self._chance.choice(self._entries)
        place = self._chance.random()

        def alter(policy: Policy) -> Policy:
            return _with_entry(policy, place, entry)

        return f"Keep {entry.driver}.{entry.property} as it was", "add entry", alter

    def _several(self) -> tuple[str, str, Callable[[Policy], Policy]]:
        chosen = self._chance.sample(self._entries, 25)
        places = [self._chance.random() for _ in chosen]

        def alter(policy: Policy) -> Policy:
            for place, entry in zip(places, chosen, strict=True):
                policy = _with_entry(policy, place, entry)
            return policy

        return "Compat entries of the next update", "add entry", alter

    def _mitigation(self) -> tuple[str, str, Callable[[Policy], Policy]]:
        entry = self._chance.choice(self._entries)

        def alter(policy: Policy) -> Policy:
            started = policy.migrations[0].source if policy.migrations else policy.label
            name = policy.machine_types[0].name
            new = Mitigation(started, name, (entry,), "Guests started there have it.", "power off")
            return replace(policy, mitigations=(*policy.mitigations, new))

        return (
            f"Carry guests over that have {entry.driver}.{entry.property}",
            "add mitigation",
            alter,
        )

    def _tightened(self) -> tuple[str, str, Callable[[Policy], Policy]]:
        devices = sorted(self._recorded["5.2"].descriptions)
        device = self._chance.choice(devices)
        section = self._recorded["5.2"].descriptions[device]
        new = Override(
            device, section.name, section.version_id, "tighten", "It was never tested with ours."
        )

        def alter(policy: Policy) -> Policy:
            rest = [o for o in policy.overrides if (o.device, o.section) != (device, section.name)]
            return replace(policy, overrides=(*rest, new))

        return f"Do not accept {section.name} as it is now", "tighten version", alter

    # Doors ----------------------------------------------------------------------------------------

    def _edit(
        self, change: ChangeRequest, action: str, alter: Callable[[Policy], Policy]
    ) -> ChangeRequest:
        return drafts.rewrite(change, change.author, change.lock_version, action, alter)

    def _submitted(self, change: ChangeRequest) -> ChangeRequest:
        """In review, without waiting for what the rules find."""
        now = timezone.now()
        with transaction.atomic():
            ChangeRequest.objects.filter(pk=change.pk).update(
                status=Status.SUBMITTED, submitted_at=now, status_since=now
            )
            self._moved("submit", change.author, change, Status.SUBMITTED)
        return drafts.fresh(change)

    def _publish(self, change: ChangeRequest) -> None:
        """Approved and published, whatever stands in the way."""
        workflow.approve(change, self._one("reviewer"), change.digest, "Compared with the package.")
        actor = self._one("release-manager")
        with transaction.atomic():
            revision = revisions.make(change, actor, approvals(change))
            ChangeRequest.objects.filter(pk=change.pk).update(
                status=Status.PUBLISHED, status_since=timezone.now(), revision=revision
            )
            self._moved("publish", actor, change, Status.PUBLISHED, revision=str(revision))
        bundle.store(revision)

    def _moved(
        self, action: str, actor: User, change: ChangeRequest, status: str, **more: Any
    ) -> None:
        audit.record(
            actor,
            action,
            change,
            before={"status": change.status},
            after={"status": status, "digest": change.digest, **more},
        )

    def _talk(self, change: ChangeRequest, *, resolved: bool) -> None:
        """A reviewer asks about some lines, the author answers; some threads stay open."""
        lines = differences.compare(state.baseline(change), change.policy)
        reviewer = self._one("reviewer")
        for line in lines[: self._chance.randrange(4)]:
            asked = discussion.ask(
                change, reviewer, "Which guests need this?", line.group, line.label
            )
            workflow.comment(change, reviewer, "")
            discussion.reply(asked.thread, change.author, "Those that were started before.")
            workflow.comment(change, change.author, "")
            if resolved:
                discussion.resolve(asked.thread, reviewer)


def _upstream(version: str) -> Release:
    """The upstream release of that version, or the nearest that was made."""
    found = Release.objects.filter(tree__name="upstream").select_related("tree")
    return found.filter(version=version).first() or found.first()  # type: ignore[return-value]


def _with_entry(policy: Policy, place: float, entry: CompatProperty) -> Policy:
    """The policy with a further entry on one of its machine types, ``place`` of the way down."""
    chosen = policy.machine_types[int(place * len(policy.machine_types))]
    new = replace(entry, array="")
    return policy.with_machine_type(replace(chosen, entries=(*chosen.entries, new)))
