"""What filters of lists have in common: words, several values, a box, rows that are no query."""

from __future__ import annotations

from functools import reduce
from operator import and_, attrgetter
from typing import Any

import django_filters as filters  # type: ignore[import-untyped]
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from frontend.access import visible_trees
from frontend.lists.kinds import Rows
from frontend.numbers import number_of
from machines.models import Release, Tree

MAX_WORDS = 10


class Tick(forms.CheckboxInput):
    """A box on a page, a truth value in an address; what is neither stays as it was typed."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        typed = data.get(name, "")
        return {"": None, "on": True, "true": True, "false": False}.get(typed.lower(), typed)


class TickField(forms.NullBooleanField):
    """True, false, or nothing said."""

    widget = Tick

    def to_python(self, value: Any) -> bool | None:  # type: ignore[override]
        if value not in (None, True, False):
            raise ValidationError(_("Send true or false."))
        return value  # type: ignore[no-any-return]


class TickFilter(filters.BooleanFilter):  # type: ignore[misc]
    """A filter that is on or off; what is neither is refused, not taken for on."""

    field_class = TickField


class Boxes(forms.CheckboxSelectMultiple):
    """A box for each value; an empty value in an address asks for nothing."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        values = super().value_from_datadict(data, files, name) or []
        return [value for value in values if value != ""]


class AnyOf(filters.MultipleChoiceFilter):  # type: ignore[misc]
    """Rows that have any of the values."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("widget", Boxes)
        super().__init__(*args, **kwargs)


class RowsField(filters.fields.ModelMultipleChoiceField):  # type: ignore[misc]
    """Rows by their number, or by the name that an address has for them."""

    def clean(self, value: Any) -> Any:
        for item in value if self.to_field_name is None else ():
            # A number that is too large for the database is none of any row.
            if number_of(str(item)) is None:
                words = self.error_messages["invalid_pk_value"]
                raise ValidationError(words, "invalid_pk_value", {"pk": str(item)[:80]})
        return super().clean(value)


class AnyRow(filters.ModelMultipleChoiceFilter):  # type: ignore[misc]
    """Rows that belong to any of some others, such as trees or releases."""

    field_class = RowsField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("widget", Boxes)
        super().__init__(*args, **kwargs)

    def get_filter_predicate(self, v: Any) -> dict[str, Any]:
        """By the row itself: ``to_field_name`` is only how an address names it."""
        return {self.field_name: v}


class Search(filters.CharFilter):  # type: ignore[misc]
    """Rows in which each word stands in one of ``fields``: what the quick search asks.

    Of rows that are no query a field may be one of a part: ``finding.text``.
    """

    def __init__(self, *fields: str, **kwargs: Any) -> None:
        self.fields = fields
        super().__init__(label=kwargs.pop("label", _("Search")), **kwargs)

    def filter(self, qs: Any, value: str) -> Any:
        for word in (value or "").split()[:MAX_WORDS]:
            qs = self._with(qs, word)
        return qs

    def _with(self, qs: Any, word: str) -> Any:
        if isinstance(qs, Rows):
            return Rows(row for row in qs if _has(row, self.fields, word.lower()))
        hits = [Q(**{f"{field}__icontains": word}) for field in self.fields]
        return qs.filter(~reduce(and_, (~hit for hit in hits)))


def _has(row: Any, fields: tuple[str, ...], word: str) -> bool:
    return any(word in str(attrgetter(field)(row)).lower() for field in fields)


class RowsFilter(filters.FilterSet):  # type: ignore[misc]
    """Filters of rows that are no query: each has a ``method`` or looks into the rows itself."""

    def filter_queryset(self, queryset: Rows) -> Rows:
        for name, value in self.form.cleaned_data.items():
            queryset = Rows(self.filters[name].filter(queryset, value))
        return queryset


def trees(request: Any) -> QuerySet[Tree]:
    """The trees that who asks may see; the API's schema is generated without a request."""
    return Tree.objects.none() if request is None else visible_trees(request.user)


def releases(request: Any) -> QuerySet[Release]:
    """The releases that who asks may see."""
    return Release.objects.filter(tree__in=trees(request)).select_related("tree")
