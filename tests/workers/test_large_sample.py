"""The large data set: the same again for the same seed, other catalogues for each release."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from machines.catalogue import canonical
from machines.emulator.catalogue.answers import read_directory
from machines.models import Tree
from workers.large.catalogues import LINES, made_up
from workers.large.history import FULL, RECORDED, Size, lines_of
from workers.sample import SAMPLE

RHEL = LINES[1]


def test_a_made_up_release_is_the_same_again_and_like_no_other() -> None:
    recorded = {name: read_directory(SAMPLE / "qemu" / name) for name in RECORDED}
    first, again = (canonical(made_up(recorded, RHEL, "9.2", 12, seed=1)) for _ in range(2))
    assert first == again
    assert canonical(made_up(recorded, RHEL, "9.3", 12, seed=1)) != first
    assert canonical(made_up(recorded, RHEL, "9.2", 12, seed=2)) != first
    assert len(made_up(recorded, RHEL, "9.2", 12, seed=1).machine_types) == 12


def test_the_full_size_has_forty_releases_in_six_trees() -> None:
    lines = list(lines_of(FULL))
    assert len(lines) == 6
    assert sum(len(line.releases) for line in lines) == FULL.releases == 40
    assert all(line.releases for line in lines_of(Size(6, 2, 0, 0)))


@pytest.mark.django_db
def test_a_database_that_holds_data_is_refused() -> None:
    Tree.objects.create(name="rhel")
    with pytest.raises(CommandError, match="holds data"):
        call_command("make_large_sample", stdout=StringIO())
