"""Filters of lists, the same for pages and for the API."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters as filters  # type: ignore[import-untyped]
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from frontend.access import visible_trees
from machines.models import Release, Tree
from policy.document import DECLARABLE
from policy.models import AuditEntry, Bundle, ChangeRequest, Trial
from workers.models import Job

OUTCOMES = [(name, name) for name in (*DECLARABLE, "corrupt")]


def _trees(request: Any) -> QuerySet[Tree]:
    if request is None:  # the API's schema is generated without a request
        return Tree.objects.none()
    return visible_trees(request.user)


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


class ReleaseFilter(filters.FilterSet):  # type: ignore[misc]
    """Releases by the name of their tree."""

    tree = filters.CharFilter(label=_("Tree"), field_name="tree__name")

    class Meta:
        model = Release
        fields: ClassVar[list[str]] = []


class ChangeFilter(filters.FilterSet):  # type: ignore[misc]
    """Change requests by status (``open`` for all that are), tree, and whose they are."""

    status = filters.ChoiceFilter(
        label=_("Status"),
        choices=[("open", _("open")), *ChangeRequest.Status.choices],
        method="by_status",
        empty_label=_("any status"),
    )
    tree = filters.ModelChoiceFilter(
        label=_("Tree"),
        field_name="release__tree",
        queryset=_trees,
        to_field_name="name",
        empty_label=_("any tree"),
    )
    mine = TickFilter(label=_("Only mine"), method="by_author")

    class Meta:
        model = ChangeRequest
        fields: ClassVar[list[str]] = []

    def by_status(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        if value == "open":
            closed = (ChangeRequest.Status.PUBLISHED, ChangeRequest.Status.WITHDRAWN)
            return rows.exclude(status__in=closed)
        return rows.filter(status=value)

    def by_author(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return rows.filter(author=self.request.user) if value else rows


class TrialFilter(filters.FilterSet):  # type: ignore[misc]
    """Trials by outcome, state, a release on either side, and machine type."""

    outcome = filters.ChoiceFilter(
        label=_("Outcome"), choices=OUTCOMES, empty_label=_("any outcome")
    )
    state = filters.ChoiceFilter(
        label=_("State"), choices=Trial.State.choices, empty_label=_("any state")
    )
    release = filters.ModelChoiceFilter(
        label=_("Release"),
        queryset=lambda request: Release.objects.filter(tree__in=_trees(request)).select_related(
            "tree"
        ),
        method="by_release",
        empty_label=_("any release"),
    )
    machine_type = filters.CharFilter(label=_("Machine type"), lookup_expr="icontains")

    class Meta:
        model = Trial
        fields: ClassVar[list[str]] = []

    def by_release(self, rows: QuerySet[Any], name: str, value: Release) -> QuerySet[Any]:
        return rows.filter(Q(source=value) | Q(destination=value))


class BundleFilter(filters.FilterSet):  # type: ignore[misc]
    """Bundles by the names of their tree and release."""

    tree = filters.CharFilter(label=_("Tree"), field_name="revision__release__tree__name")
    version = filters.CharFilter(label=_("Version"), field_name="revision__release__version")

    class Meta:
        model = Bundle
        fields: ClassVar[list[str]] = []


class JobFilter(filters.FilterSet):  # type: ignore[misc]
    """Jobs by what they do and how far they are."""

    kind = filters.ChoiceFilter(label=_("Kind"), choices=Job.Kind.choices)
    status = filters.ChoiceFilter(label=_("Status"), choices=Job.Status.choices)

    class Meta:
        model = Job
        fields: ClassVar[list[str]] = []


class AuditFilter(filters.FilterSet):  # type: ignore[misc]
    """Audit entries by person, by action, and by object."""

    actor = filters.CharFilter(label=_("Person"))
    action = filters.CharFilter(label=_("Action"), lookup_expr="icontains")
    object_type = filters.CharFilter(label=_("Kind of object"))
    object_id = filters.CharFilter(label=_("Object's number"))
    q = filters.CharFilter(label=_("Object"), field_name="object_label", lookup_expr="icontains")

    class Meta:
        model = AuditEntry
        fields: ClassVar[list[str]] = []
