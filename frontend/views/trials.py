"""Trial migrations: the list, one trial, and the matrix of a tree's releases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from frontend.access import visible_change, visible_trees
from frontend.filters import TrialFilter
from frontend.lists import chips, page_of
from frontend.names import newest_first
from frontend.numbers import number_of
from frontend.swaps import respond
from machines.models import Release, Tree
from policy import matrix as policy_matrix
from policy.models import ChangeRequest, Trial
from policy.trials import Requirement

MAX_ROWS = 200


@login_required
@require_safe
def trials(request: HttpRequest) -> HttpResponse:
    """Every trial, the newest first."""
    trees = visible_trees(request.user)
    rows = TrialFilter(
        request.GET,
        queryset=Trial.objects.filter(source__tree__in=trees, destination__tree__in=trees)
        .select_related("source__tree", "destination__tree")
        .defer("inputs", "result"),
        request=request,
    )
    labels = {
        "outcome": _("outcome"),
        "state": _("state"),
        "release": _("release"),
        "machine_type": _("machine type"),
    }
    shown = chips(request, labels)
    context = {"page": page_of(request, rows.qs), "filter": rows, "chips": shown}
    return respond(request, "pages/trials.html", "partials/trials.html", context)


# --- One trial ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InForce:
    """A property that is set on a side of the trial; None where that side does not set it."""

    driver: str
    property: str
    source: str | None
    destination: str | None
    layer: str


@login_required
@require_safe
def trial(request: HttpRequest, pk: int) -> HttpResponse:
    """What was migrated where, the outcome, and everything that it depended on."""
    rows = Trial.objects.select_related("source__tree", "destination__tree")
    found = rows.filter(
        pk=pk,
        source__tree__in=visible_trees(request.user),
        destination__tree__in=visible_trees(request.user),
    ).first()
    if found is None:
        raise Http404
    result = found.result or {}
    properties = in_force(found.inputs)
    differing = [item for item in properties if item.source != item.destination]
    whole = request.GET.get("properties") == "all"
    context = {
        "trial": found,
        "result": result,
        "lost": result.get("lost", [])[:MAX_ROWS],
        "lost_more": max(0, len(result.get("lost", [])) - MAX_ROWS),
        "ends": [
            (_("Source"), found.source, found.inputs["source"]),
            (_("Destination"), found.destination, found.inputs["destination"]),
        ],
        "property_count": len(properties),
        "differing_count": len(differing),
        "properties": properties if whole else differing[:MAX_ROWS],
        "whole": whole,
        "asking": _open_changes(found),
    }
    return render(request, "pages/trial.html", context)


def in_force(inputs: dict[str, Any]) -> list[InForce]:
    """The properties that either side sets, by driver; of several entries the last one wins."""
    sides = [
        {(driver, name): (value, layer) for driver, name, value, layer in inputs[end]["globals"]}
        for end in ("source", "destination")
    ]
    nothing = (None, "")
    return [
        InForce(
            *key,
            sides[0].get(key, nothing)[0],
            sides[1].get(key, nothing)[0],
            sides[1].get(key, sides[0].get(key, nothing))[1],
        )
        for key in sorted({*sides[0], *sides[1]})
    ]


def _open_changes(found: Trial) -> Any:
    """Open change requests of either release: an edit there asks for this pair again."""
    closed = (ChangeRequest.Status.PUBLISHED, ChangeRequest.Status.WITHDRAWN)
    return (
        ChangeRequest.objects.filter(release__in=[found.source_id, found.destination_id])
        .exclude(status__in=closed)
        .select_related("release__tree")
        .defer("content")[:5]
    )


# --- The matrix -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A pair of releases. ``before`` is the outcome as published, where a change alters it."""

    source: str
    destination: str
    direction: Literal["forward", "backward", "same"]
    requirement: Requirement | None
    changed: bool
    before: str
    address: str
    selected: bool

    @property
    def outcome(self) -> str:
        """The trial's outcome, or why there is none."""
        return _outcome(self.requirement)


def _outcome(requirement: Requirement | None) -> str:
    if requirement is None:
        return ""
    if requirement.trial is not None and requirement.trial.state == Trial.State.DONE:
        return requirement.trial.outcome
    return requirement.verdict


@login_required
@require_safe
def matrix(request: HttpRequest) -> HttpResponse:
    """Source × destination for a machine type; ``?source=&destination=`` opens a cell's panel."""
    change = _chosen_change(request)
    tree = _chosen_tree(request, change)
    context: dict[str, Any] = {
        "trees": visible_trees(request.user),
        "tree": tree,
        "change": change,
        "changes": _tree_changes(tree),
    }
    names = newest_first(policy_matrix.machine_types(tree, change)) if tree else ()
    if tree is not None and names:
        wanted = request.GET.get("machine_type", "")
        name = wanted if wanted in names else names[0]
        context |= {"machine_types": names, "machine_type": name}
        context |= _matrix(request, tree, name, change)
    target = getattr(request.htmx, "target", None)  # type: ignore[attr-defined]
    partial = "partials/matrix_swap.html" if target == "matrix-panel" else "partials/matrix.html"
    return respond(request, "pages/matrix.html", partial, context)


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
    # Upstream declares nothing: a tree whose releases have a base is what one comes for.
    return trees.filter(releases__base__isnull=False).first() or trees.first()


def _tree_changes(tree: Tree | None) -> Any:
    closed = (ChangeRequest.Status.PUBLISHED, ChangeRequest.Status.WITHDRAWN)
    rows = ChangeRequest.objects.filter(release__tree=tree).exclude(status__in=closed)
    return rows.select_related("release__tree").defer("content")


def _matrix(
    request: HttpRequest, tree: Tree, name: str, change: ChangeRequest | None
) -> dict[str, Any]:
    found = policy_matrix.matrix(tree, name, change)
    published = policy_matrix.matrix(tree, name) if change else found
    order = {label: number for number, label in enumerate(_in_order(tree, found.labels))}
    query = {"tree": tree.name, "machine_type": name, "change": change.pk if change else ""}
    chosen = (request.GET.get("source", ""), request.GET.get("destination", ""))

    def cell(source: str, destination: str) -> MatrixCell:
        now = found.cells.get((source, destination))
        was = published.cells.get((source, destination))
        differs = change is not None and (now and (now.key, now.required)) != (
            was and (was.key, was.required)
        )
        return MatrixCell(
            source,
            destination,
            _direction(order[source], order[destination]),
            now,
            differs,
            _outcome(was) if differs else "",
            "?" + urlencode({**query, "source": source, "destination": destination}),
            (source, destination) == chosen,
        )

    rows = [(source, [cell(source, destination) for destination in order]) for source in order]
    cells = [item for _source, row in rows for item in row if item.requirement]
    return {
        "labels": list(order),
        "rows": rows,
        "cell": next((item for item in cells if item.selected), None),
        "counts": _counts(cells),
        "changed_count": sum(item.changed for item in cells),
    }


def _in_order(tree: Tree, labels: tuple[str, ...]) -> list[str]:
    """All releases of the tree and these from the oldest to the newest, other trees' first."""
    releases = {release.label: release for release in Release.objects.select_related("tree")}
    own = {label for label, release in releases.items() if release.tree_id == tree.pk}

    def place(label: str) -> tuple[bool, str]:
        return label in own, releases[label].sort_key if label in releases else label

    return sorted(own.union(labels), key=place)


def _direction(source: int, destination: int) -> Literal["forward", "backward", "same"]:
    if source == destination:
        return "same"
    return "forward" if source < destination else "backward"


def _counts(cells: list[MatrixCell]) -> dict[str, int]:
    verdicts = [item.requirement.verdict for item in cells if item.requirement]
    return {
        "pairs": len(cells),
        "passed": verdicts.count("passed"),
        "differing": verdicts.count("differs"),
        "open": sum(verdict in {"not-run", "running"} for verdict in verdicts),
        "failed": verdicts.count("could-not-run"),
        "to_run": sum(verdict in {"not-run", "could-not-run"} for verdict in verdicts),
    }
