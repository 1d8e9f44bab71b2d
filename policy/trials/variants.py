"""A trial held again with other properties, as a user would set them on a command line.

A variant is a trial of its own, named by its inputs as all are. No policy requires it: it belongs
to the trial that it was made from.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import transaction

from machines.catalogue import NoCatalogue
from machines.emulator import bitmap, qdev
from machines.emulator.catalogue import CompatProperty
from policy import audit, trials
from policy.document import digest
from policy.errors import Invalid
from policy.models import Trial
from policy.permissions import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from machines.emulator.catalogue import Catalogue

#: Properties on one side.
MAX_PROPERTIES = 64
#: Of one person, trials with other properties that wait to be held: workers are everybody's.
MAX_WAITING = 50

Properties = Sequence[CompatProperty]


@transaction.atomic
def vary(user: User, trial: Trial, source: Properties, destination: Properties) -> Trial:
    """The same trial with these properties set on top, on either side; the last one wins.

    Of a variant it is the trial that it was made from. Asked for twice it is the same row. Raises
    Forbidden, and Invalid at ``source`` or ``destination``. The caller asks the workers to run it.
    """
    require(user, "view", trial.destination.tree)
    origin = trial.varies or trial
    if not source and not destination:
        raise Invalid("Set a property on one of the two sides.", field="destination")
    inputs = copy.deepcopy(origin.inputs)
    for end, extra in (("source", source), ("destination", destination)):
        _check(inputs[end], extra, end)
        inputs[end]["globals"] += [
            [entry.driver, entry.property, entry.value, "user"] for entry in extra
        ]
    key = digest(inputs)
    known = Trial.objects.filter(key=key).first()
    if known is not None and known.state != Trial.State.FAILED:
        return known
    if Trial.objects.filter(asked_by=user, state=Trial.State.QUEUED).count() >= MAX_WAITING:
        raise Invalid(f"{MAX_WAITING} of yours wait to be held: wait for some of them.")
    varied, _ = Trial.objects.update_or_create(
        key=key,
        defaults={"state": Trial.State.QUEUED, "error": "", "finished_at": None},
        create_defaults={
            "key": key,
            "varies": origin,
            "asked_by": user,
            "source": trial.source,
            "destination": trial.destination,
            "machine_type": trial.machine_type,
            "inputs": inputs,
        },
    )
    audit.record(
        user, "varied trial", varied, after={"of": origin.pk, **_told(source, destination)}
    )
    return varied


def user_properties(inputs: Mapping[str, Any]) -> dict[str, list[CompatProperty]]:
    """What a variant sets on top: ``source`` and ``destination`` → entries in order."""
    return {
        end: [
            CompatProperty(d, n, v) for d, n, v, layer in inputs[end]["globals"] if layer == "user"
        ]
        for end in ("source", "destination")
    }


def catalogue_of(side: Mapping[str, Any]) -> Catalogue:
    """What a side's device types and their properties are. Raises ``Invalid``."""
    try:
        return trials.side_from(side).catalogue
    except NoCatalogue as error:
        raise Invalid(str(error)) from error


def check_property(catalogue: Catalogue, entry: CompatProperty, field: str) -> None:
    """Raise ``Invalid`` at ``field`` unless the release has the property and takes the value."""
    name = f"{entry.driver}.{entry.property}"
    if entry.driver not in catalogue.types and entry.driver not in catalogue.descriptions:
        raise Invalid(f"There is no device type '{entry.driver:.80}'.", field=field)
    if entry.property.startswith(bitmap.PROPERTY):
        try:
            bitmap.parse(entry.value)
        except bitmap.BitmapError as error:
            raise Invalid(f"{name}: {error}.", field=field) from error
        return
    info = qdev.property_of(catalogue, entry.driver, entry.property)
    if info is None:
        raise Invalid(f"{entry.driver} has no property '{entry.property:.80}'.", field=field)
    if (problem := qdev.check_value(info, entry.value)) is not None:
        raise Invalid(f"{name}: {problem}.", field=field)


def _check(side: Mapping[str, Any], extra: Properties, field: str) -> None:
    if len(extra) > MAX_PROPERTIES:
        raise Invalid(f"At most {MAX_PROPERTIES} properties.", field=field)
    if extra:
        catalogue = catalogue_of(side)
        for entry in extra:
            check_property(catalogue, entry, field)


def _told(source: Properties, destination: Properties) -> dict[str, list[str]]:
    return {
        end: [f"{entry.driver}.{entry.property}={entry.value}" for entry in extra]
        for end, extra in (("source", source), ("destination", destination))
    }
