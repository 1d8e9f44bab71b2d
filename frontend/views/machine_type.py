"""One machine type of a release: its resolved list, its own entries, what differs elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from frontend.addresses import release_address
from frontend.forms.edits import EntryForm
from frontend.names import newest_first
from frontend.numbers import number_of
from frontend.questions import ends
from frontend.scope import Scope, scope_of, state_or_404
from frontend.shown.entries import Row, beside, grouped, pair_groups, rows_of
from frontend.shown.overview import open_changes
from frontend.swaps import respond
from machines.emulator.catalogue import CompatProperty, MachineType
from policy import rules
from policy.edits.restoring import entry_of_version
from policy.errors import Invalid
from policy.permissions import may
from policy.state import State

PAGE, BODY = "pages/machine_type.html", "partials/machine_type_body.html"
#: What htmx may swap alone, by the id of its element.
PARTS = {"own-card": "partials/own_entries.html", "resolved-card": "partials/resolved_list.html"}
#: How the resolved list is shown.
VIEWS = {
    "": gettext_lazy("By device"),
    "order": gettext_lazy("In order of application"),
    "difference": gettext_lazy("Difference"),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """What someone typed into an entry that could not be saved, and why."""

    position: int
    value: str
    errors: str


@dataclass(frozen=True, slots=True)
class Removed:
    """An entry that was just removed, and what brings it back: where it was, in which version."""

    position: int
    version: int
    entry: CompatProperty


@dataclass(frozen=True, slots=True)
class Edit:
    """What the page says after an edit, or while one is made.

    ``form`` is a further entry, ``typed`` what could not be saved; the focus goes to the entry at
    ``edited``, or follows the one that was ``moved``. ``editing`` is the entry whose value is open.
    """

    form: EntryForm | None = None
    typed: Typed | None = None
    moved: int | None = None
    edited: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@login_required
@require_safe
def machine_type(request: HttpRequest, tree: str, version: str, name: str) -> HttpResponse:
    """Context: see :func:`context_of`. ``?edit=3`` opens the own entry at that position."""
    scope = scope_of(request, tree, version)
    part = PARTS.get(getattr(request.htmx, "target", None) or "", BODY)  # type: ignore[attr-defined]
    return respond(request, PAGE, part, context_of(request, scope, name, Edit()))


def context_of(request: HttpRequest, scope: Scope, name: str, edit: Edit) -> dict[str, Any]:
    """``rows`` in order of application, ``own`` those that can be edited, ``groups`` by device;
    ``form`` a further entry; ``typed`` what could not be saved; ``names`` to switch to; what
    :func:`_difference` and :class:`Edit` add.
    """
    state = state_or_404(scope)
    names = newest_first(rules.machine_types(state))
    if name not in names:
        raise Http404(f"{scope.release.label} has no machine type {name}.")
    rows = rows_of(state, name)
    shown = [row for row in rows if _matches(row, request.GET.get("q", ""))]
    form = edit.form
    if form is None and scope.may_edit and scope.change is not None:
        form = EntryForm(initial={"lock_version": scope.change.lock_version})
    view = request.GET.get("view", "")
    return {
        "scope": scope,
        "state": state,
        "name": name,
        "names": names,
        "known": state.catalogue.machine_types.get(name, MachineType(name)),
        "decided": state.policy.machine_type(name) if state.policy else None,
        "lineage": state.policy.lineage(name)[:-1][::-1] if state.policy else (),
        "told_by": _told_by(state, name),
        "parents": _addresses(scope, rows),
        "rows": rows,
        "shown": shown,
        "own": [row for row in rows if row.machine_type == name],
        "overridden": sum(row.winner is not None for row in rows),
        "view": view if view in VIEWS else "",
        "views": VIEWS,
        "groups": grouped(state, shown),
        "form": form,
        "typed": edit.typed,
        "moved": edit.moved,
        # Not "edited" and "editing": those are the change request's on every page.
        "focused": edit.edited,
        "opened": _opened(request, edit),
        "removed": _removed(request, scope, name),
        "changes": open_changes().filter(release=scope.release),
        "may_edit_tree": may(request.user, "edit", scope.release.tree),
        **(_difference(request, scope, state, name, rows) if view == "difference" else {}),
        **edit.extra,
    }


def _opened(request: HttpRequest, edit: Edit) -> int | None:
    """The position of the own entry whose value is open for editing."""
    if edit.typed is not None:
        return edit.typed.position
    return number_of(request.GET.get("edit", "")) if request.method == "GET" else None


def _removed(request: HttpRequest, scope: Scope, name: str) -> Removed | None:
    """The entry that ``?undo=VERSION:POSITION`` names, while nothing was edited after it."""
    version, _colon, position = request.GET.get("undo", "").partition(":")
    numbers = number_of(version), number_of(position)
    if scope.change is None or not scope.may_edit or None in numbers:
        return None
    if scope.change.lock_version != (numbers[0] or 0) + 1:
        return None
    return removed_entry(request.user, scope, name, numbers[0] or 0, numbers[1] or 0)


def removed_entry(
    user: Any, scope: Scope, name: str, version: int, position: int
) -> Removed | None:
    """The own entry that a version of the draft had at a position."""
    try:
        entry = entry_of_version(scope.edited, user, version, name, position)
    except Invalid:
        return None
    return Removed(position, version, entry)


def _addresses(scope: Scope, rows: list[Row]) -> dict[str, str]:
    """Of each machine type that an entry comes from; within the change request, if there is one."""
    change = scope.change.pk if scope.change is not None else ""
    return {
        name: release_address("machine-type", scope.release, name, change=change)
        for name in {row.machine_type for row in rows}
    }


_SOURCES = {"query-machines": gettext_lazy("QEMU itself"), "arrays": gettext_lazy("the C arrays")}


def _told_by(state: State, name: str) -> str | Promise:
    """Whose word an entry is that names no array."""
    if state.policy is not None and state.policy.machine_type(name) is not None:
        return _("the policy")
    known = state.catalogue.machine_types.get(name)
    return _SOURCES.get(known.compat_source if known else "", _("nobody"))


def _matches(row: Row, search: str) -> bool:
    text = f"{row.entry.driver}.{row.entry.property}={row.entry.value} {row.entry.array}".lower()
    return all(word in text for word in search.lower().split())


# --- Beside another one ---------------------------------------------------------------------------


def _difference(
    request: HttpRequest, scope: Scope, state: State, name: str, rows: list[Row]
) -> dict[str, Any]:
    """``?beside=`` names the other release (:mod:`frontend.questions.ends`), ``?with=`` its machine
    type.

    ``beside_choices``, ``beside_value``, ``beside_names`` to choose from, ``beside`` (End) and
    ``beside_name`` the chosen ones, ``beside_url`` their page, ``pair_groups`` what differs,
    ``same`` how much does not; ``beside_problem`` says why nothing can be compared.
    """
    own = f"change-{scope.change.pk}" if scope.change is not None else scope.release.label
    value = request.GET.get("beside") or own
    known: dict[str, Any] = {"beside_choices": ends.choices(request.user), "beside_value": value}
    try:
        end = ends.end_of(request.user, value, "beside")
    except Invalid as error:
        return known | {"beside_problem": str(error)}
    names = newest_first(rules.machine_types(end.state))
    chosen = _other(request.GET.get("with", ""), names, name, value == own)
    known |= {"beside_names": names, "beside_name": chosen, "beside": end}
    if not chosen:
        text = _("%(release)s has no machine type.") % {"release": end.name}
        return known | {"beside_problem": text}
    pairs = beside(state, rows, end.state, rows_of(end.state, chosen))
    return known | {
        "beside_url": release_address(
            "machine-type", end.release, chosen, change=end.change.pk if end.change else ""
        ),
        "pair_groups": pair_groups(pairs),
        "same": sum(pair.standing == "same" for pair in pairs),
    }


def _other(asked: str, names: tuple[str, ...], name: str, is_own: bool) -> str:
    """The machine type that is asked for; else the same one, of the own release its neighbour."""
    if asked in names:
        return asked
    if name in names and not is_own:
        return name
    if name in names and len(names) > 1:
        place = names.index(name)
        return names[place - 1] if place else names[1]
    return names[0] if names else ""
