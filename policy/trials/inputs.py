"""Everything that a trial's outcome depends on, as plain data, and a side made from it again.

A trial is named by the digest of its inputs. They hold what a side is, not what somebody expected
of it: the same inputs asked for by two change requests are one trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from machines.emulator import machine, qdev
from machines.emulator.catalogue import MachineType
from policy import rules, state
from policy.document import Backport, Graft, digest, feature_from_json

#: Raised when the emulator's model changes so that an old outcome no longer tells anything.
MODEL = 2
#: What the guest program draws from; the same for all, so that results can be compared.
SEED = 1


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
