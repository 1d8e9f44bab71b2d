"""Trial migrations: which ones a change needs, and how one is run from its inputs alone.

A trial is named by the digest of everything that its outcome depends on (:class:`TrialInputs`), so
an edit that touches one machine type asks for that one's trials again, and every other result
stays what it was. A result is recorded once; a trial that could not run may be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from django.db import transaction
from django.utils import timezone

from machines.catalogue import NoCatalogue
from machines.emulator import machine, qdev
from machines.emulator.catalogue import MachineType
from machines.emulator.drivers import migratable_devices
from machines.emulator.layout import DescriptionError
from machines.models import Release
from policy import rules, state
from policy.document import (
    Backport,
    DocumentError,
    Graft,
    Policy,
    digest,
    feature_from_json,
    plain,
)
from policy.errors import Invalid
from policy.models import ChangeRequest, Trial
from policy.permissions import may, require
from policy.signals import trials_required
from policy.state import Content, State

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Raised when the emulator's model changes so that an old outcome no longer tells anything.
MODEL = 2
#: What the guest program draws from; the same for all, so that results can be compared.
SEED = 1

#: Holds a trial: :func:`machines.emulator.machine.trial`, or the same between processes.
Hold = Callable[
    [
        Sequence[machine.Side],
        Sequence[str],
        int,
        Mapping[machine.SectionKey, frozenset[int]],
    ],
    machine.TrialResult,
]
Verdict = Literal["not-run", "running", "passed", "differs", "could-not-run"]
#: What says how a side is: a policy, or, where its release has published none, its catalogue.
Origin = Literal["policy", "catalogue"]


@dataclass(frozen=True, slots=True)
class TrialSide:
    """One end of a trial, as JSON data. ``snapshot`` is the digest of its base catalogue.

    ``backports`` are [{feature, grafts}], ``globals`` [[driver, property, value, layer], …].
    """

    label: str
    snapshot: str
    release: str
    stand_in_for: str
    machine_type: str
    globals: list[list[str]]
    backports: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class TrialInputs:
    """Everything that the outcome of a trial depends on.

    ``relaxed``: [[device, section, version], …], what either side's policy allows to be lost.
    """

    source: TrialSide
    destination: TrialSide
    devices: list[str]
    relaxed: list[list[Any]]
    seed: int = SEED
    model: int = MODEL

    def to_json(self) -> dict[str, Any]:
        # Not asdict, which copies every entry: these lists are never changed.
        both = {"source": _shallow(self.source), "destination": _shallow(self.destination)}
        return {**_shallow(self), **both}

    @property
    def key(self) -> str:
        return digest(self.to_json())


def _shallow(item: TrialSide | TrialInputs) -> dict[str, Any]:
    return {each.name: getattr(item, each.name) for each in fields(item)}


@dataclass(frozen=True, slots=True)
class Requirement:
    """A trial that a policy needs, and how it stands. ``trial`` is None while no row has its key,
    that of its ``inputs``; it comes without its own inputs and result, which are large.

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


# --- What is needed -------------------------------------------------------------------------------


def required(change: ChangeRequest) -> list[Requirement]:
    """The trials that the change's draft needs, in the order of its declared migrations."""
    return requirements_of(change.policy)


def requirements_of(policy: Policy, machine_type: str = "") -> list[Requirement]:
    """The trials that a policy needs; only those of one machine type where one is given."""
    builder = _Builder(policy)
    ends = tuple(
        (label, found if isinstance(found, str) else Content(found))
        for label, found in builder.partners().items()
    )
    return _with_trials(_planned(_Question(policy.digest, ends, machine_type, builder)))


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
    partners = {
        label: rules.machine_types(found)
        for label, found in builder.partners().items()
        if isinstance(found, State)
    }
    wanted = [
        item
        for item in rules.required_trials(policy, partners)
        if not machine_type or item.machine_type == machine_type
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


def _with_trials(found: Sequence[Requirement]) -> list[Requirement]:
    """Each requirement with the trial of its key: one query for all of them."""
    keys = [item.key for item in found]
    rows = Trial.objects.filter(key__in=[key for key in keys if key]).defer("inputs", "result")
    trials = {
        trial.key: trial for trial in rows.select_related("source__tree", "destination__tree")
    }
    return [
        replace(item, trial=trials[key], verdict=_verdict(item, trials[key]))
        if key in trials
        else item
        for item, key in zip(found, keys, strict=True)
    ]


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
    _partners: dict[str, State | str] = field(default_factory=dict)
    _contents: dict[str, Content] = field(default_factory=dict)
    _sides: dict[tuple[str, str], TrialSide] = field(default_factory=dict)
    _relaxed: dict[tuple[str, str], list[list[Any]]] = field(default_factory=dict)
    _devices: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def partners(self) -> Mapping[str, State | str]:
        """The other releases of the declared migrations as they are published; this one's draft."""
        if not self._partners:
            self._partners[self.policy.label] = _own_state(self.policy)
            labels = {
                label
                for item in self.policy.migrations
                for label in (item.source, item.destination)
            }
            for label in sorted(labels - {self.policy.label}):
                self._partners[label] = _published(label)
        return self._partners

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


# --- Asking for trials ----------------------------------------------------------------------------


def enqueue_missing(change: ChangeRequest, actor: User) -> list[Trial]:
    """Make a row for each trial that the change needs and lacks, and ask the workers to run them.

    A trial that could not run is queued again, as what it lacked may be here now. Returns what
    waits to be run. Raises Forbidden for someone with no part in the release's tree.
    """
    require(actor, "view", change.release.tree)
    _require_a_part(actor, change)
    if not change.is_open:
        raise Invalid(f"The change request is {change.get_status_display()}.")
    with transaction.atomic():
        needed = [item for item in required(change) if item.inputs is not None]
        new = [item for item in needed if item.trial is None]
        Trial.objects.bulk_create(_rows(new), ignore_conflicts=True)
        keys = [item.key for item in needed]
        Trial.objects.filter(key__in=keys, state=Trial.State.FAILED).update(
            state=Trial.State.QUEUED, error="", finished_at=None
        )
        waiting = list(Trial.objects.filter(key__in=keys, state=Trial.State.QUEUED).order_by("id"))
        if waiting:
            trials_required.send(sender=ChangeRequest, change=change, trials=waiting, user=actor)
    return waiting


def _require_a_part(actor: User, change: ChangeRequest) -> None:
    tree = change.release.tree
    if not any(may(actor, action, tree) for action in ("edit", "review", "publish")):
        require(actor, "edit", tree)


def _rows(new: Iterable[Requirement]) -> list[Trial]:
    """One row for each key, however many migrations ask for the same trial."""
    releases: dict[str, Release | None] = {}
    rows: dict[str, Trial] = {}
    for item in new:
        if item.inputs is None:
            continue
        for label in (item.required.source, item.required.destination):
            if label not in releases:
                releases[label] = state.release_of(label)
        rows[item.key] = Trial(
            key=item.key,
            source=releases[item.required.source],
            destination=releases[item.required.destination],
            machine_type=item.required.machine_type,
            inputs=item.inputs.to_json(),
        )
    return list(rows.values())


# --- Running one ----------------------------------------------------------------------------------


def run(trial: Trial, hold: Hold = machine.trial) -> None:
    """Run a trial from its inputs and record what it found, once.

    Whoever records first has done it: a second run of the same trial writes nothing. What cannot
    be run is recorded as such, with a sentence that says what is missing. ``hold`` is one of the
    ways to hold a trial, which all find the same.
    """
    _open(trial).update(state=Trial.State.RUNNING)
    try:
        result = outcome_of(trial.inputs, hold)
    except NoCatalogue as error:
        _open(trial).update(state=Trial.State.FAILED, error=str(error), finished_at=timezone.now())
    except (machine.TrialError, DescriptionError, DocumentError) as error:
        _open(trial).update(
            state=Trial.State.FAILED,
            error=f"The emulator could not hold this trial: {error}",
            finished_at=timezone.now(),
        )
    else:
        _open(trial).update(
            state=Trial.State.DONE,
            outcome=result.outcome,
            result=result.to_json(),
            finished_at=timezone.now(),
        )
    trial.refresh_from_db()


def _open(trial: Trial) -> Any:
    return Trial.objects.filter(pk=trial.pk, state__in=[Trial.State.QUEUED, Trial.State.RUNNING])


def outcome_of(inputs: Mapping[str, Any], hold: Hold = machine.trial) -> machine.TrialResult:
    """Hold the trial that the inputs describe. Raises ``NoCatalogue``, ``TrialError``."""
    relaxed: dict[tuple[str, str | None], frozenset[int]] = {}
    for device, section, version in inputs["relaxed"]:
        relaxed[device, section] = relaxed.get((device, section), frozenset()) | {version}
    sides = [side_from(inputs[end]) for end in ("source", "destination")]
    return hold(sides, inputs["devices"], inputs["seed"], relaxed)


def side_from(document: Mapping[str, Any]) -> machine.Side:
    """One end of a trial from its inputs (a :class:`TrialSide` as JSON). Raises ``NoCatalogue``."""
    base = state.catalogue_by_digest(document["snapshot"], document["release"])
    backports = [_backport(item) for item in document["backports"]]
    globals_ = tuple(
        qdev.Global(driver, name, value, layer, document["label"])
        for driver, name, value, layer in document["globals"]
    )
    name = document["machine_type"]
    # The inputs hold all that applies: what the catalogue says of the machine type must not join.
    catalogue = replace(
        rules.effective_catalogue(base, backports), machine_types={name: MachineType(name)}
    )
    return machine.Side(
        label=document["label"],
        catalogue=catalogue,
        machine_type=name,
        globals=globals_,
        features=tuple(item.feature for item in backports),
    )


def _backport(document: Mapping[str, Any]) -> Backport:
    return Backport(
        feature=feature_from_json(document["feature"]),
        grafts=tuple(Graft(item["section"], item["description"]) for item in document["grafts"]),
    )
