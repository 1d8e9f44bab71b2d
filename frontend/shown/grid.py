"""A device's bitmaps as a grid: one row a section, one column a version; bits to be turned over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from frontend.shown.places import DevicePlace
from machines.emulator.features import FeatureSpec
from machines.emulator.qdev import ancestors
from policy import rules
from policy.rules.bitmaps import Cell, SectionBitmap
from policy.state import State

#: Columns that leave room for the property's value beside them.
MAX_BESIDE = 3
#: The address of a cell, which is what a click on it leads to.
Link = Callable[[str, Cell], str]


@dataclass(frozen=True, slots=True)
class GridRow:
    """A section with one cell, or None, for each column; ``depth`` counts its parents."""

    section: SectionBitmap
    number: int
    depth: int
    features: tuple[FeatureSpec, ...]
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    columns: tuple[int, ...]
    rows: tuple[GridRow, ...]

    @property
    def is_wide(self) -> bool:
        """So many versions that a property's value beside them would be out of sight."""
        return len(self.columns) > MAX_BESIDE

    @property
    def zero_is_absent(self) -> bool:
        """Does the column 0 mean "absent"? Some old main sections have a true version 0."""
        return all(
            row.section.optional
            for row in self.rows
            if any(cell is not None and cell.version == 0 for cell in row.cells)
        )

    def row(self, path: str) -> GridRow | None:
        """The section of that path."""
        return next((row for row in self.rows if row.section.path == path), None)

    def find(self, path: str, version: int) -> tuple[GridRow, Cell] | None:
        """The section and the cell that holds this version."""
        row = self.row(path)
        for cell in row.section.cells if row is not None else ():
            if row is not None and cell.version <= version <= cell.last:
                return row, cell
        return None


def grid_of(state: State, machine_type: str, device: str) -> Grid:
    """The device's grid on a machine type; without rows where the device has no state."""
    bitmaps = rules.device_bitmaps(state.policy, state.catalogue, machine_type, device)
    lineage = ancestors(state.catalogue, device)
    features = [
        item for item in rules.features_of(state.policy, state.catalogue) if item.device in lineage
    ]
    columns = tuple(sorted({cell.version for item in bitmaps for cell in item.cells}))
    return Grid(columns, tuple(_rows(bitmaps, columns, features)))


def _rows(
    bitmaps: Sequence[SectionBitmap], columns: Sequence[int], features: Sequence[FeatureSpec]
) -> list[GridRow]:
    paths = {item.path for item in bitmaps}
    rows = []
    for number, item in enumerate(bitmaps):
        by_version = {cell.version: cell for cell in item.cells}
        own = tuple(
            feature
            for feature in features
            if any(carrier.section == item.path for carrier in feature.carriers)
        )
        # A name may hold slashes itself: a parent is a section whose path begins this one's.
        depth = sum(item.path.startswith(f"{path}/") for path in paths)
        cells = tuple(by_version.get(column) for column in columns)
        rows.append(GridRow(item, number, depth, own, cells))
    return rows


# --- As the page shows it -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A cell as it would be with the bits that are to be turned over.

    ``was`` is its layer now where it is among those, else empty; ``key`` is unique on the page.
    """

    cell: Cell
    key: str
    href: str
    was: str
    is_selected: bool

    @property
    def bits(self) -> str:
        """The default bit, and the effective one where it differs: ``1 → 0``."""
        default, effective = int(self.cell.default), int(self.cell.effective)
        return str(default) if default == effective else f"{default} → {effective}"


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A section. ``value`` is its property's as it would be, ``now`` as it is."""

    row: GridRow
    cells: tuple[ShownCell | None, ...]
    value: str
    now: str


def shown_rows(now: Grid, after: Grid, place: DevicePlace, link: Link) -> list[ShownRow]:
    """The rows of ``after``, compared with the grid as it is ``now``."""
    values = {row.section.path: row.section.effective_value for row in now.rows}
    return [
        ShownRow(
            row,
            tuple(
                _shown(now, row, cell, place, link) if cell is not None else None
                for cell in row.cells
            ),
            row.section.effective_value,
            values[row.section.path],
        )
        for row in after.rows
    ]


def _shown(now: Grid, row: GridRow, cell: Cell, place: DevicePlace, link: Link) -> ShownCell:
    flip = row.section.path, cell.version
    past = now.find(*flip) if flip in place.flips else None
    selected = place.section == row.section.path and place.version is not None
    return ShownCell(
        cell=cell,
        key=f"{row.number}-{cell.version}",
        href=link(row.section.path, cell),
        was=past[1].layer if past is not None else "",
        is_selected=selected and cell.version <= (place.version or 0) <= cell.last,
    )
