"""A tiny release whose trials are real but quick, for jobs to run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from machines.catalogue import import_catalogue
from machines.emulator.catalogue import Catalogue, Description, Field, MachineType
from machines.models import Release, Tree
from policy.models import ChangeRequest, Trial
from policy.trials import TrialInputs, TrialSide

RNG = Description(
    "rng", 2, 1, (Field("seed", 8), Field("pool", 4, version_id=2), Field("ring", 4, count=16))
)
TINY = Catalogue(
    version="7.2.0",
    types={"device": None, "rng": "device"},
    descriptions={"rng": RNG},
    machine_types={"pc-q35-7.2": MachineType("pc-q35-7.2")},
)


@pytest.fixture
def maintainer(transactional_db: None) -> User:
    return User.objects.create_user("maintainer")


@pytest.fixture
def release(transactional_db: None) -> Release:
    return Release.objects.create(tree=Tree.objects.create(name="upstream"), version="7.2")


@pytest.fixture
def change(release: Release, maintainer: User) -> ChangeRequest:
    return ChangeRequest.objects.create(
        release=release, author=maintainer, title="Take the pool", content={}, digest="0" * 64
    )


@pytest.fixture
def make_trials(release: Release) -> Callable[[int], list[Trial]]:
    """So many trials of the same machine, each with a guest program of its own."""
    snapshot = import_catalogue(release, TINY, source="test", user=None).snapshot
    side = TrialSide("upstream 7.2", snapshot.digest, "upstream 7.2", "", "pc-q35-7.2", [], [])

    def make(count: int) -> list[Trial]:
        inputs = [TrialInputs(side, side, ["rng"], [], seed=seed) for seed in range(count)]
        return [
            Trial.objects.create(
                key=item.key,
                source=release,
                destination=release,
                machine_type="pc-q35-7.2",
                inputs=item.to_json(),
            )
            for item in inputs
        ]

    return make
