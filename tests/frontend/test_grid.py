"""The grid's columns: what version 0 means in them."""

from __future__ import annotations

from frontend.shown.grid import Grid, grid_of
from machines.catalogue import CatalogueSource
from machines.emulator.catalogue import Catalogue, Description, Field
from machines.models import Snapshot
from policy.state import State


def grid(*versions: int) -> Grid:
    described = {
        f"dev{version}": Description("dev", version, 0, (Field("a", 4),)) for version in versions
    }
    catalogue = Catalogue(version="1", descriptions=described)
    state = State("up 1", None, catalogue, CatalogueSource("up 1", Snapshot()))
    return grid_of(state, "", f"dev{versions[0]}")


def test_a_main_section_of_version_0_is_there_not_absent() -> None:
    found = grid(0)
    assert found.columns == (0,)
    assert not found.zero_is_absent
