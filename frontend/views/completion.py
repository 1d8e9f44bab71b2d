"""Completion of drivers, properties and values from a release's catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from frontend.questions.ends import end_of
from frontend.scope import scope_of, state_or_404
from machines.emulator.catalogue import Catalogue, PropertyInfo
from machines.emulator.qdev import check_value, choices_of, properties_of, text_of
from policy.errors import Invalid

#: Choices that are offered at a time.
MAX_OPTIONS = 30


@dataclass(frozen=True, slots=True)
class Option:
    """Something to choose, and what to know of it."""

    value: str
    note: str


@login_required
@require_safe
def completion(request: HttpRequest, tree: str, version: str) -> HttpResponse:
    """What ``?driver=`` has, and what ``?property=`` takes; whether ``?value=`` is one. htmx swaps
    it. With ``?what=driver``, ``property`` or ``value`` the choices for that one as options.
    """
    catalogue = state_or_404(scope_of(request, tree, version)).catalogue
    if request.GET.get("what"):
        return options_of(request, catalogue)
    driver, name = request.GET.get("driver", ""), request.GET.get("property", "")
    properties = properties_of(catalogue, driver)
    info = properties.get(name)
    value = request.GET.get("value", "")
    context = {
        "driver": driver,
        "known": driver in catalogue.types,
        "properties": sorted(properties),
        "info": info,
        "choices": _choices(catalogue, info),
        "default": text_of(info.default) if info else None,
        "asked": name,
        "problem": check_value(info, value) if info and value else None,
    }
    return render(request, "partials/completion.html", context)


@login_required
@require_safe
def end_completion(request: HttpRequest) -> HttpResponse:
    """The choices of the end that ``?into=`` names (:mod:`frontend.questions.ends`), if any."""
    try:
        end = end_of(request.user, request.GET.get("into", ""), "into")
    except Invalid:
        return render(request, "partials/options.html", {"options": ()})
    return options_of(request, end.state.catalogue)


def options_of(request: HttpRequest, catalogue: Catalogue) -> HttpResponse:
    """What the address asks for of a catalogue, as options."""
    query = request.GET
    what, driver, name = (query.get(key, "") for key in ("what", "driver", "property"))
    found = _options(catalogue, what, driver, name, query.get(what, ""))
    return render(request, "partials/options.html", {"options": found, "what": what})


def _options(catalogue: Catalogue, what: str, driver: str, name: str, typed: str) -> list[Option]:
    if what == "driver":
        return [_driver(catalogue, item) for item in _fitting(catalogue.types, typed)]
    properties = properties_of(catalogue, driver)
    if what == "property":
        return [_property(properties[item]) for item in _fitting(properties, typed)]
    info = properties.get(name)
    default = text_of(info.default) if info else None
    # All of them: a value that is there already is what one wants to replace.
    return [
        Option(item, _("default") if item == default else "") for item in _choices(catalogue, info)
    ]


def _choices(catalogue: Catalogue, info: PropertyInfo | None) -> tuple[str, ...]:
    """A property's values, where it tells them or another of the same type does."""
    if info is None:
        return ()
    alike = (
        other
        for infos in catalogue.properties.values()
        for other in infos.values()
        if other.type == info.type
    )
    told = (choices_of(other) for other in (info, *alike))
    return next((choices for choices in told if choices), ())


def _driver(catalogue: Catalogue, name: str) -> Option:
    count = len(properties_of(catalogue, name))
    text = ngettext("%(count)d property", "%(count)d properties", count)
    return Option(name, text % {"count": count})


def _property(info: PropertyInfo) -> Option:
    default = text_of(info.default)
    note = info.type if default is None else f"{info.type}, {_('default')} {default}"
    return Option(info.name, note)


def _fitting(names: Iterable[str], typed: str) -> list[str]:
    """The names that hold what was typed, those that begin with it first."""
    word = typed.strip().lower()
    found = [name for name in names if word in name.lower()]
    return sorted(found, key=lambda name: (not name.lower().startswith(word), name))[:MAX_OPTIONS]
