"""How long the whole matrix takes: every machine type between every two of four releases.

Four releases of a downstream tree, each on one of the sample's catalogues and with all 89 machine
types that any of those has, declare every direction between them, with every device that can
migrate: 1,068 trials, asked for as people do and run by a real worker of two processes, which is
killed in the middle. Not part of the tests: ``make benchmark`` runs it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_benchmark.fixture import BenchmarkFixture

from machines.catalogue import import_catalogue
from machines.emulator.catalogue import Catalogue
from machines.emulator.catalogue.answers import read_directory
from machines.models import Release, Tree
from policy import drafts, edits, trials
from policy.document import Migration
from policy.models import ChangeRequest, Membership, Role, Trial
from policy.rules.seeding import chained
from tests.conftest import Worker, wait_until
from workers.models import Job

CATALOGUES = Path(__file__).resolve().parents[2] / "machines" / "sample" / "qemu"
VERSIONS = ("5.2", "7.2", "10.0", "11.1")


def _catalogues() -> dict[str, Catalogue]:
    """Each release's catalogue, with the machine types of all: the newest that tells one counts."""
    found = {version: read_directory(CATALOGUES / version) for version in VERSIONS}
    machine_types = {
        n: m for catalogue in found.values() for n, m in catalogue.machine_types.items()
    }
    return {
        version: replace(catalogue, machine_types=machine_types | dict(catalogue.machine_types))
        for version, catalogue in found.items()
    }


@pytest.fixture
def changes(transactional_db: None) -> list[ChangeRequest]:
    """One change request a release; together they declare every direction."""
    tree = Tree.objects.create(name="down")
    author = User.objects.create_user("maintainer")
    Membership.objects.create(user=author, tree=tree, role=Role.MAINTAINER)
    base = Release.objects.create(tree=Tree.objects.create(name="up"), version="0")
    catalogues = _catalogues()
    releases = []
    for version, catalogue in catalogues.items():
        releases.append(Release.objects.create(tree=tree, version=version, base=base))
        import_catalogue(releases[-1], catalogue, source="benchmark", user=None)
    made = [edits.open_change(release, author, "All of them") for release in releases]
    declared: set[tuple[str, str]] = set()
    for change in made:
        pairs = [
            p for p in permutations(r.label for r in releases) if change.release.label in p[:2]
        ]
        own = [pair for pair in dict.fromkeys(p[:2] for p in pairs) if pair not in declared]
        declared.update(own)
        policy = replace(
            change.policy,
            machine_types=chained(
                catalogues[change.release.version], catalogues["11.1"].machine_types
            ),
            migrations=tuple(Migration(*pair, "correct") for pair in own),
        )
        drafts.rewrite(
            change, author, change.lock_version, "benchmark", lambda _old, new=policy: new
        )
        change.refresh_from_db()
    return made


def _done() -> int:
    return Trial.objects.exclude(state__in=[Trial.State.QUEUED, Trial.State.RUNNING]).count()


def test_the_whole_matrix_with_a_killed_worker(
    benchmark: BenchmarkFixture, changes: list[ChangeRequest], worker: Worker
) -> None:
    author = changes[0].author
    worker.start(2)

    def ask_and_wait() -> None:
        for change in changes:
            trials.enqueue_missing(change, author)
        total = Trial.objects.count()
        _watch(total // 2, total)
        worker.kill()
        worker.start(2)
        _watch(total, total)

    begun = time.monotonic()
    benchmark.pedantic(ask_and_wait, rounds=1)
    outcomes = list(Trial.objects.values_list("outcome", flat=True))
    benchmark.extra_info |= {
        "trials": len(outcomes),
        "trials/s": round(len(outcomes) / (time.monotonic() - begun), 1),
        "outcomes": {name: outcomes.count(name) for name in sorted(set(outcomes))},
    }
    wait_until(
        lambda: not Job.objects.filter(status__in=["queued", "running"]).exists(), "the jobs"
    )
    assert set(Job.objects.values_list("status", flat=True)) == {"done"}


def _watch(wanted: int, total: int) -> None:
    """Wait for that many outcomes; says how far it is, as the page does."""
    begun, first = time.monotonic(), _done()
    said = 0.0
    while (done := _done()) < wanted:
        passed = time.monotonic() - begun
        assert passed < 900, f"{done} of {total} after {passed:.0f} s"
        if passed - said >= 5 and done > first:
            said, left = passed, passed * (total - done) / (done - first)
            print(f"{done} of {total}, about {left:.0f} s left")  # noqa: T201 - with pytest -s
        time.sleep(0.2)
