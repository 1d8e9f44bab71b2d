"""Which trials a policy needs, each with its inputs, and how it stands.

An edit that touches one machine type changes that one's inputs alone, so every other trial is found
by the key that it has always had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from machines.catalogue import NoCatalogue
from machines.emulator.drivers import migratable_devices
from machines.emulator.memo import Same
from machines.looks import once_a_look
from policy import rules, state
from policy.document import Policy, plain
from policy.models import ChangeRequest, Trial
from policy.state import Content, State
from policy.trials.inputs import TrialInputs, TrialSide

Verdict = Literal["not-run", "running", "passed", "differs", "could-not-run"]
#: What says how a side is: a policy, or, where its release has published none, its catalogue.
Origin = Literal["policy", "catalogue"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A trial that a policy needs, and how it stands. ``trial`` is None while no row has its key,
    that of its ``inputs``; it comes with its state, outcome and error, and asks for the rest.

    ``problem`` says why its inputs cannot even be put together. ``origins`` are those of source
    and destination: no input, as the same values migrate alike whoever told them.
    """

    required: rules.RequiredTrial
    trial: Trial | None
    verdict: Verdict
    inputs: TrialInputs | None = None
    problem: str = ""
    origins: tuple[Origin, Origin] = ("policy", "policy")
    key: str = ""


def required(change: ChangeRequest) -> list[Requirement]:
    """The trials that the change's draft needs, in the order of its declared migrations."""
    return requirements_of(change.policy)


def requirements_of(policy: Policy, machine_type: str = "") -> list[Requirement]:
    """The trials that a policy needs; only those of one machine type where one is given."""
    return list(_standing(Same(planned(policy, machine_type))))


@once_a_look
def _standing(found: Same[tuple[Requirement, ...]]) -> list[Requirement]:
    return with_trials(found.object)


def planned(
    policy: Policy, machine_type: str = "", draft: Policy | None = None
) -> tuple[Requirement, ...]:
    """The trials that a policy needs, without what became of them: each as if it were not run.

    A ``draft`` of another release takes the place of what that one has published.
    """
    builder = _Builder(policy, draft)
    ends = tuple(
        (label, found if isinstance(found, str) else Content(found))
        for label, found in builder.partners().items()
    )
    return _planned(_Question(policy.digest, ends, machine_type, builder))


def is_promised(policy: Policy, label: str) -> bool:
    """Does the policy declare a migration from or to this other release?"""
    return label != policy.label and any(
        label in (item.source, item.destination) for item in policy.migrations
    )


def tried_machine_types(policy: Policy) -> frozenset[str]:
    """The machine types on which the policy needs any trial."""
    return frozenset(item.machine_type for item in _Builder(policy).wanted())


@dataclass(frozen=True, slots=True)
class _Question:
    """Which trials a policy needs, as the key of a cache: by all that the answer depends on."""

    policy: str
    ends: tuple[tuple[str, Content | str], ...]
    machine_type: str
    builder: _Builder = field(compare=False)


@lru_cache(maxsize=64)
def _planned(question: _Question) -> tuple[Requirement, ...]:
    """The trials with their inputs, without what became of them. A page asks for the same ones
    each time it is opened, until something is edited.
    """
    builder, machine_type = question.builder, question.machine_type
    policy = builder.policy
    wanted = [
        item for item in builder.wanted() if not machine_type or item.machine_type == machine_type
    ]
    found: list[Requirement] = []
    for item in wanted:
        try:
            inputs = builder.inputs(item)
        except NoCatalogue as error:
            found.append(Requirement(item, None, "could-not-run", None, str(error)))
        else:
            origins = builder.origin(item.source), builder.origin(item.destination)
            found.append(
                Requirement(item, None, "not-run", inputs, origins=origins, key=inputs.key)
            )
    if not machine_type:
        tried = {(item.required.source, item.required.destination) for item in found}
        found += _untried(policy, builder, tried)
    return tuple(found)


#: What is asked of the trials of hundreds of requirements; the rest is asked of one.
_ASKED = ("state", "outcome", "error")


def with_trials(found: Sequence[Requirement]) -> list[Requirement]:
    """Each requirement with the trial of its key: one query for all of them, but for those that the
    same page has seen already.
    """
    keys = [item.key for item in found]
    trials = _trials_seen()
    unseen = [key for key in keys if key and key not in trials]
    if unseen:
        rows = Trial.objects.filter(key__in=unseen).only("key", *_ASKED)
        trials |= {trial.key: trial for trial in rows}
    return [
        replace(item, trial=trials[key], verdict=_verdict(item, trials[key]))
        if key in trials
        else item
        for item, key in zip(found, keys, strict=True)
    ]


@once_a_look
def _trials_seen() -> dict[str, Trial]:
    """By key: a draft needs most of the trials that its release's published policy needs."""
    return {}


def _verdict(requirement: Requirement, trial: Trial) -> Verdict:
    if trial.state == Trial.State.QUEUED:
        return "not-run"
    if trial.state == Trial.State.RUNNING:
        return "running"
    if trial.state == Trial.State.FAILED:
        return "could-not-run"
    passed = trial.outcome == requirement.required.expected and trial.outcome != "corrupt"
    return "passed" if passed else "differs"


def _untried(policy: Policy, builder: _Builder, tried: set[tuple[str, str]]) -> list[Requirement]:
    """Declared migrations from which no trial follows: a promise that nothing would test."""
    untried = [
        item
        for item in policy.migrations
        if not item.machine_type and (item.source, item.destination) not in tried
    ]
    return [
        Requirement(
            rules.RequiredTrial(item.source, item.destination, "", item.expected),
            None,
            "could-not-run",
            None,
            builder.obstacle(item.source, item.destination),
        )
        for item in untried
    ]


@dataclass(slots=True)
class _Builder:
    """Puts inputs together, each side once. A partner without a catalogue is a sentence why."""

    policy: Policy
    draft: Policy | None = None
    _partners: dict[str, State | str] = field(default_factory=dict)
    _contents: dict[str, Content] = field(default_factory=dict)
    _sides: dict[tuple[str, str], TrialSide] = field(default_factory=dict)
    _relaxed: dict[tuple[str, str], list[list[Any]]] = field(default_factory=dict)
    _devices: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def partners(self) -> Mapping[str, State | str]:
        """The other releases of the declared migrations as they are published, or as the draft
        leaves one of them; this one as the policy at hand does.
        """
        if not self._partners:
            self._partners[self.policy.label] = _own_state(self.policy)
            labels = {
                label
                for item in self.policy.migrations
                for label in (item.source, item.destination)
            }
            for label in sorted(labels - {self.policy.label}):
                draft = self.draft if self.draft is not None and self.draft.label == label else None
                self._partners[label] = _own_state(draft) if draft else _published(label)
        return self._partners

    def wanted(self) -> list[rules.RequiredTrial]:
        """What the declared migrations ask for, on the machine types that both ends have."""
        partners = {
            label: rules.machine_types(found)
            for label, found in self.partners().items()
            if isinstance(found, State)
        }
        return list(rules.required_trials(self.policy, partners))

    def obstacle(self, source: str, destination: str) -> str:
        """Why no trial between the two can be held."""
        for label in (source, destination):
            if isinstance(found := self.partners()[label], str):
                return found
        return f"{source} and {destination} have no machine type in common."

    def origin(self, label: str) -> Origin:
        """Raises ``NoCatalogue``."""
        return "catalogue" if self._state(label).policy is None else "policy"

    def inputs(self, item: rules.RequiredTrial) -> TrialInputs:
        """Raises ``NoCatalogue`` where a side lacks its catalogue or the machine type."""
        source, destination = self._state(item.source), self._state(item.destination)
        for found in (source, destination):
            if item.machine_type not in rules.machine_types(found):
                raise NoCatalogue(f"{found.label} has no machine type '{item.machine_type}'.")
        return TrialInputs(
            source=self._side(source, item.machine_type),
            destination=self._side(destination, item.machine_type, item.source),
            devices=self._common_devices(source, destination),
            relaxed=_merged(
                self._relaxations(source, item.machine_type),
                self._relaxations(destination, item.machine_type),
            ),
        )

    def _state(self, label: str) -> State:
        found = self.partners()[label]
        if isinstance(found, str):
            raise NoCatalogue(found)
        return found

    def _side(self, found: State, machine_type: str, started_on: str = "") -> TrialSide:
        key = (found.label, machine_type)
        if key not in self._sides:
            if found.label not in self._contents:
                self._contents[found.label] = Content(found)
            content = self._contents[found.label]
            self._sides[key] = _trial_side(content, machine_type)
        extra = rules.mitigations_for(found.policy, started_on, machine_type)
        listed = [[e.driver, e.property, e.value, "policy"] for e in extra]
        side = self._sides[key]
        return replace(side, globals=[*side.globals, *listed]) if listed else side

    def _relaxations(self, found: State, machine_type: str) -> list[list[Any]]:
        key = (found.label, machine_type)
        if key not in self._relaxed:
            versions = rules.relaxed_versions(found.policy, found.catalogue, machine_type)
            self._relaxed[key] = [
                [device, section, version]
                for (device, section), several in versions.items()
                for version in sorted(several)
            ]
        return self._relaxed[key]

    def _common_devices(self, source: State, destination: State) -> list[str]:
        key = (source.label, destination.label)
        if key not in self._devices:
            self._devices[key] = list(
                self.policy.devices or migratable_devices(source.catalogue, destination.catalogue)
            )
        return self._devices[key]


def _merged(first: list[list[Any]], second: list[list[Any]]) -> list[list[Any]]:
    return [*first, *(item for item in second if item not in first)]


def _own_state(policy: Policy) -> State | str:
    try:
        return state.of_policy(policy)
    except NoCatalogue as error:
        return str(error)


def _published(label: str) -> State | str:
    release = state.release_of(label)
    if release is None:
        return f"There is no release '{label}': add it and import its catalogue."
    try:
        return state.published(release)
    except NoCatalogue as error:
        return str(error)


@lru_cache(maxsize=512)
def _trial_side(content: Content, machine_type: str) -> TrialSide:
    """One side. A page asks for the same ones each time it is opened, until something is edited."""
    found = content.state
    side = rules.side(found.policy, found.catalogue, machine_type, found.label)
    backports = found.policy.backports if found.policy is not None else ()
    return TrialSide(
        label=found.label,
        snapshot=found.source.snapshot.digest,
        release=found.source.label,
        stand_in_for=found.source.stand_in_for,
        machine_type=machine_type,
        globals=[[e.driver, e.property, e.value, e.layer] for e in side.globals],
        backports=[
            # What it is called, and why it was taken, has no part in what a trial finds.
            {
                "feature": plain(asdict(replace(item.feature, title=item.feature.slug))),
                "grafts": [asdict(graft) for graft in item.grafts],
            }
            for item in backports
        ],
    )
