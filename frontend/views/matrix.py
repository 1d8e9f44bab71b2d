"""The migration matrix: every pair of a tree's releases, on one machine type or on all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from frontend.access import visible_change, visible_trees
from frontend.filters import OUTCOMES
from frontend.lists import chips
from frontend.names import newest_first
from frontend.numbers import number_of
from frontend.shown.overview import CLOSED
from frontend.swaps import respond
from machines.models import Release, Tree
from policy.models import ChangeRequest, Trial
from policy.review.checking import BROKEN, CheckedTrial
from policy.trials import altered
from policy.trials import matrix as matrices
from policy.trials.altered import Mark
from policy.trials.matrix import Matrix

#: The choice of all machine types at once: each cell then shows the worst of its trials.
ALL = "all"
#: Trials of one cell that its panel lists.
MAX_LISTED = 60
#: With more releases than this, those without a declared migration are left out unless asked for.
MANY = 12
#: Up to how many releases cells have room for two lines, and for a word.
ROOMY, NARROW = 10, 18

#: What of the address a cell's link keeps.
KEPT = ("change", "outcome", "device", "around", "releases")

#: All that a list calls failing.
FAILING = "failing"
#: How a trial may stand besides its outcome.
STANDINGS = [
    (FAILING, "failing"),
    ("not-run", "not run"),
    ("running", "running"),
    ("waived", "waived"),
    ("could-not-run", "could not run"),
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One trial of a cell, and the outcome before the change where that alters it."""

    item: CheckedTrial
    changed: bool
    before: str

    @property
    def outcome(self) -> str:
        """The trial's outcome, or why there is none."""
        return shown_outcome(self.item)


@dataclass(frozen=True, slots=True)
class Cell:
    """A pair of releases: its trials, and those of them that fit the filters, the worst first.

    ``marks``: the open change requests that alter it, but for the one that is looked at.
    """

    source: str
    destination: str
    direction: Literal["forward", "backward", "same"]
    trials: tuple[Entry, ...]
    fitting: tuple[Entry, ...]
    marks: tuple[Mark, ...]
    address: str
    selected: bool

    @property
    def worst(self) -> Entry:
        return self.fitting[0]

    @property
    def changed(self) -> bool:
        return any(item.changed for item in self.fitting)

    @property
    def differing(self) -> int:
        return self._count("differs")

    @property
    def passed(self) -> int:
        return self._count("passed")

    def _count(self, standing: str) -> int:
        return sum(item.item.outcome == standing for item in self.fitting)

    @property
    def listed(self) -> tuple[Entry, ...]:
        return self.fitting[:MAX_LISTED]


@dataclass(frozen=True, slots=True)
class Head:
    """A release at the head of a row and a column. ``version`` is its name within ``tree``;
    ``first`` opens its tree, which has ``span`` of the columns. ``around`` zooms in on it.
    """

    label: str
    tree: str
    version: str
    around: str
    first: bool
    span: int


def shown_outcome(item: CheckedTrial | None) -> str:
    """What a cell shows of a trial: its outcome, else how it stands."""
    if item is None:
        return ""
    trial = item.requirement.trial
    if trial is not None and trial.state == Trial.State.DONE:
        return str(trial.outcome)
    return str(item.outcome)


@login_required
@require_safe
def matrix(request: HttpRequest) -> HttpResponse:
    """Source × destination; ``?source=&destination=`` opens a cell's panel.

    Context: trees, tree, change, changes; with something declared also tried and untried (machine
    types with and without a declared migration), machine_type (ALL for all), heads, rows, cell,
    altered (what open change requests make of it), counts, changed_count, marked_count, outcomes,
    devices, chips, density, left_out (releases that are not shown), around.
    """
    change = _chosen_change(request)
    tree = _chosen_tree(request, change)
    context: dict[str, Any] = {
        "trees": visible_trees(request.user),
        "tree": tree,
        "change": change,
        "changes": _tree_changes(tree),
        "all": ALL,
    }
    if tree is not None:
        choices = matrices.machine_types(tree, change)
        tried, untried = newest_first(choices.tried), newest_first(choices.untried)
        if tried or untried:
            wanted = request.GET.get("machine_type", "")
            # The newest one is in one release alone: the newest that migrates at all.
            name = wanted if wanted in (*tried, *untried, ALL) else next(iter(tried), ALL)
            context |= {"tried": tried, "untried": untried, "machine_type": name}
            context |= _shown(request, tree, name, change)
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if htmx and not htmx.history_restore_request and htmx.target == "matrix-panel":
        # A cell is a link like any other, boosted: what it changes is the panel and the mark.
        response = render(request, "partials/matrix_swap.html", context)
        patch_vary_headers(response, ["HX-Request", "HX-Target"])
        return response
    return respond(request, "pages/matrix.html", "partials/matrix.html", context)


def _chosen_change(request: HttpRequest) -> ChangeRequest | None:
    asked = number_of(request.GET.get("change", ""))
    return None if asked is None else visible_change(request.user, asked)


def _chosen_tree(request: HttpRequest, change: ChangeRequest | None) -> Tree | None:
    if change is not None:
        return change.release.tree
    trees = visible_trees(request.user)
    if name := request.GET.get("tree", ""):
        found = trees.filter(name=name).first()
        if found is None:
            raise Http404
        return found
    # Upstream declares nothing, and who has published nothing has little to show.
    deciding = trees.filter(releases__base__isnull=False)
    published = deciding.filter(releases__revisions__isnull=False)
    return published.first() or deciding.first() or trees.first()


def _tree_changes(tree: Tree | None) -> Any:
    rows = ChangeRequest.objects.filter(release__tree=tree).exclude(status__in=CLOSED)
    return rows.select_related("release__tree").defer("content")


# --- What is shown --------------------------------------------------------------------------------


def _shown(
    request: HttpRequest, tree: Tree, name: str, change: ChangeRequest | None
) -> dict[str, Any]:
    asked = "" if name == ALL else name
    found = matrices.matrix(tree, asked, change)
    published = matrices.matrix(tree, asked) if change else found
    entries = _entries(found, published, differs=change is not None)
    marks = _marks(tree, asked, change)
    concerned = matrices.concerned([item.item for listed in entries.values() for item in listed])
    marked = (label for pair in marks for label in pair)
    all_labels = _in_order(tree, (*found.labels, *marked))
    around = request.GET.get("around", "")
    labels = _zoomed(all_labels, {**marks, **entries}, around, request.GET.get("releases", ""))
    query = _query(request, tree, name)
    chosen = (request.GET.get("source", ""), request.GET.get("destination", ""))
    order = {label: number for number, label in enumerate(all_labels)}
    pairs = _Pairs(entries, marks, order, _filter(request, concerned), query, chosen)
    heads = _heads(labels, query)
    rows = [(head, [pairs.cell(head.label, label) for label in labels]) for head in heads]
    cells = [item for _source, row in rows for item in row if item.trials or item.marks]
    selected = next((item for item in cells if item.selected), None)
    is_altered = selected is not None and bool(selected.marks)
    return {
        "heads": heads,
        "rows": rows,
        "density": _density(len(labels)),
        "left_out": len(all_labels) - len(labels),
        "around": around if around in labels else "",
        "cell": selected,
        "altered": altered.altered(tree, chosen, asked, MAX_LISTED) if is_altered else [],
        "marked_count": sum(bool(item.marks) for item in cells),
        "counts": _counts(cells),
        "changed_count": sum(item.changed for item in cells),
        "outcomes": [*OUTCOMES, *STANDINGS],
        "devices": sorted({device for devices in concerned.values() for device in devices}),
        "chips": chips(
            request, {"outcome": _("outcome"), "device": _("device"), "around": _("around")}
        ),
    }


def _query(request: HttpRequest, tree: Tree, machine_type: str) -> dict[str, str]:
    """What the addresses of all cells and heads keep of the page's own."""
    kept = {key: request.GET.get(key, "") for key in KEPT}
    query = {"tree": tree.name, "machine_type": machine_type, **kept}
    return {key: value for key, value in query.items() if value}


@dataclass(frozen=True, slots=True)
class _Pairs:
    """What every cell is made of. ``order``: each release's place among all; ``chosen``: the pair
    whose panel is open.
    """

    entries: Mapping[tuple[str, str], tuple[Entry, ...]]
    marks: Mapping[tuple[str, str], tuple[Mark, ...]]
    order: Mapping[str, int]
    fits: Callable[[Entry], bool]
    query: Mapping[str, str]
    chosen: tuple[str, str]

    def cell(self, source: str, destination: str) -> Cell:
        pair = (source, destination)
        listed = self.entries.get(pair, ())
        return Cell(
            source,
            destination,
            _direction(self.order[source], self.order[destination]),
            listed,
            tuple(item for item in listed if self.fits(item)),
            self.marks.get(pair, ()),
            "?" + urlencode({**self.query, "source": source, "destination": destination}),
            pair == self.chosen,
        )


def _marks(
    tree: Tree, machine_type: str, change: ChangeRequest | None
) -> dict[tuple[str, str], tuple[Mark, ...]]:
    """The marks of each pair; the cells themselves show the draft that is looked at."""
    looked_at = change.pk if change is not None else None
    found = {
        pair: tuple(mark for mark in listed if mark.change != looked_at)
        for pair, listed in altered.marks(tree, machine_type).items()
    }
    return {pair: listed for pair, listed in found.items() if listed}


def _zoomed(
    labels: list[str], entries: Mapping[tuple[str, str], Any], around: str, wanted: str
) -> list[str]:
    """The releases that are shown: around one of them, those with a declaration, or all."""
    declared = {label for pair in entries for label in pair}
    if around in labels:
        near = {label for pair in entries if around in pair for label in pair}
        return [label for label in labels if label in near | {around}]
    if wanted == "all" or len(labels) <= MANY or len(declared) < 2:
        return labels
    return [label for label in labels if label in declared]


def _density(releases: int) -> str:
    """How much room a cell has."""
    if releases <= ROOMY:
        return "roomy"
    return "narrow" if releases <= NARROW else "tiny"


def _heads(labels: list[str], query: Mapping[str, str]) -> list[Head]:
    trees = [label.partition(" ")[0] for label in labels]
    rest = {key: value for key, value in query.items() if key not in ("around", "releases")}
    return [
        Head(
            label=label,
            tree=tree,
            version=label.partition(" ")[2] or label,
            around="?" + urlencode({**rest, "around": label}),
            first=number == 0 or trees[number - 1] != tree,
            span=trees.count(tree),
        )
        for number, (label, tree) in enumerate(zip(labels, trees, strict=True))
    ]


def _entries(
    found: Matrix, published: Matrix, *, differs: bool
) -> Mapping[tuple[str, str], tuple[Entry, ...]]:
    """Each pair's trials, beside those that are published."""
    entries = {}
    for pair, listed in found.cells.items():
        before = {
            item.requirement.required.machine_type: item for item in published.cells.get(pair, ())
        }
        entries[pair] = tuple(
            _entry(item, before.get(item.requirement.required.machine_type), differs)
            for item in listed
        )
    return entries


def _entry(item: CheckedTrial, was: CheckedTrial | None, differs: bool) -> Entry:
    changed = differs and (was is None or _named(was) != _named(item))
    return Entry(item, changed, shown_outcome(was) if changed else "")


def _named(item: CheckedTrial) -> tuple[object, ...]:
    """What makes it another promise or another trial."""
    return item.requirement.key, item.requirement.required


def _filter(
    request: HttpRequest, concerned: Mapping[int, frozenset[str]]
) -> Callable[[Entry], bool]:
    """Which trials fit ``?outcome=`` and ``?device=``: those in which that device had a problem."""
    outcome, device = request.GET.get("outcome", ""), request.GET.get("device", "")

    def fits(entry: Entry) -> bool:
        trial = entry.item.requirement.trial
        named = concerned.get(trial.pk, frozenset()) if trial is not None else frozenset()
        standing = entry.item.outcome
        failing = FAILING if standing in BROKEN else standing
        return outcome in ("", entry.outcome, standing, failing) and device in ("", *named)

    return fits


def _in_order(tree: Tree, labels: tuple[str, ...]) -> list[str]:
    """All releases of the tree and these from the oldest to the newest, other trees' first."""
    releases = {release.label: release for release in Release.objects.select_related("tree")}
    own = {label for label, release in releases.items() if release.tree_id == tree.pk}

    def place(label: str) -> tuple[bool, str, str]:
        key = releases[label].sort_key if label in releases else label
        return label in own, label.partition(" ")[0], key

    return sorted(own.union(labels), key=place)


def _direction(source: int, destination: int) -> Literal["forward", "backward", "same"]:
    if source == destination:
        return "same"
    return "forward" if source < destination else "backward"


def _counts(cells: list[Cell]) -> dict[str, int]:
    outcomes = [entry.item.outcome for cell in cells for entry in cell.fitting]
    return {
        "pairs": sum(bool(cell.fitting) for cell in cells),
        "trials": len(outcomes),
        "passed": outcomes.count("passed"),
        "waived": outcomes.count("waived"),
        "differing": outcomes.count("differs"),
        "open": outcomes.count("not-run") + outcomes.count("running"),
        "failed": outcomes.count("could-not-run"),
        "to_run": outcomes.count("not-run") + outcomes.count("could-not-run"),
    }
