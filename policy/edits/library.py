"""Proposals recorded as features of the library, many at once: tried first, then all or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from machines.emulator.features import FeatureSpec
from machines.models import Release
from policy import edits
from policy.errors import Invalid
from policy.models import Feature

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: More proposals than that are no list that anybody has read, nor one form.
MAX_AT_ONCE = 300


@dataclass(frozen=True, slots=True)
class Wanted:
    """A proposal under the names that somebody gave it."""

    spec: FeatureSpec
    slug: str
    title: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What would become of one: ``problem`` is empty where it can be recorded; ``field`` names
    what is at fault: slug, title, description, device, carriers or gate.
    """

    wanted: Wanted
    problem: str = ""
    field: str = ""


def try_all(actor: User, release: Release, wanted: Sequence[Wanted]) -> tuple[Tried, ...]:
    """What recording all of them would come to, each with its own problem. Nothing is written.

    ``release`` introduced them. Raises Forbidden, and Invalid for too many.
    """
    _check_number(wanted)
    with transaction.atomic():
        tried = tuple(_try(actor, release, item) for item in wanted)
        transaction.set_rollback(True)
    return tried


@transaction.atomic
def record_all(actor: User, release: Release, wanted: Sequence[Wanted]) -> list[Feature]:
    """Record all of them, or none. Raises Forbidden, and Invalid for the first with a problem."""
    _check_number(wanted)
    return [_record(actor, release, item) for item in wanted]


def _try(actor: User, release: Release, wanted: Wanted) -> Tried:
    try:
        # What is recorded before it in the list counts: two may not have one name.
        with transaction.atomic():
            _record(actor, release, wanted)
    except Invalid as error:
        return Tried(wanted, str(error), error.field)
    return Tried(wanted)


def _record(actor: User, release: Release, wanted: Wanted) -> Feature:
    spec = wanted.spec
    return edits.record_feature(
        actor,
        release,
        wanted.slug,
        wanted.title,
        wanted.description,
        spec.device,
        [{**asdict(item), "fields": list(item.fields)} for item in spec.carriers],
        asdict(spec.gate) if spec.gate else None,
    )


def _check_number(wanted: Sequence[Wanted]) -> None:
    if len(wanted) > MAX_AT_ONCE:
        raise Invalid(f"At most {MAX_AT_ONCE} features are recorded at once.")
