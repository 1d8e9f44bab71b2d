"""Filters of lists, the same for pages and for the API."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters as filters  # type: ignore[import-untyped]
from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from frontend.lists.filters import AnyOf, AnyRow, RowsFilter, Search, TickFilter, releases, trees
from frontend.lists.kinds import Rows
from machines.models import Release, Snapshot
from policy.document import DECLARABLE
from policy.models import AuditEntry, Bundle, ChangeRequest, Feature, Trial
from workers.models import Job

OUTCOMES = [(name, name) for name in (*DECLARABLE, "corrupt")]


class Day(forms.DateInput):
    """A day, chosen in the browser's own way."""

    input_type = "date"


# --- What a release consists of -------------------------------------------------------------------


class ReleaseFilter(filters.FilterSet):  # type: ignore[misc]
    """Releases by the name of their tree."""

    q = Search("tree__name", "version")
    tree = AnyRow(label=_("Tree"), queryset=trees, to_field_name="name")

    class Meta:
        model = Release
        fields: ClassVar[list[str]] = []


class MachineTypeFilter(RowsFilter):
    """Machine types by name, by what they set, and by what is said of them."""

    q = Search("name", "alias", "note")
    sets = filters.CharFilter(label=_("Sets (driver, property or value)"), method="by_entry")
    parent = filters.CharFilter(label=_("Goes on from"), method="by_parent")
    marked = AnyOf(
        label=_("Marked as"),
        choices=[("default", _("default")), ("deprecated", _("deprecated")), ("alias", _("alias"))],
        method="by_mark",
    )

    def by_entry(self, rows: Rows, name: str, value: str) -> Rows:
        words = value.lower().split()
        return Rows(row for row in rows if row.sets(words))

    def by_parent(self, rows: Rows, name: str, value: str) -> Rows:
        return Rows(row for row in rows if value in row.parent)

    def by_mark(self, rows: Rows, name: str, value: list[str]) -> Rows:
        return Rows(row for row in rows if row.marks & set(value))


class DeviceFilter(RowsFilter):
    """Device types by name, by what they are, and by what they have."""

    q = Search("name")
    show = filters.ChoiceFilter(
        label=_("Show"),
        choices=[
            ("all", _("every type")),
            ("state", _("with state to migrate")),
            ("overridden", _("with overridden bits")),
            ("backported", _("with backports")),
        ],
        method="by_kind",
        empty_label=None,
    )
    parent = filters.CharFilter(label=_("Is a"), method="by_parent")
    section = filters.CharFilter(label=_("Has a section named"), method="by_section")

    def by_kind(self, rows: Rows, name: str, value: str) -> Rows:
        if value == "all":
            return rows
        has = {"state": "has_state", "overridden": "overrides", "backported": "backports"}[value]
        return Rows(row for row in rows if getattr(row, has))

    def by_parent(self, rows: Rows, name: str, value: str) -> Rows:
        return Rows(row for row in rows if any(value == item for item in row.lineage))

    def by_section(self, rows: Rows, name: str, value: str) -> Rows:
        return Rows(row for row in rows if any(value in path for path in row.sections))


class FeatureFilter(filters.FilterSet):  # type: ignore[misc]
    """Features by their words, their device type, where they were introduced, and their gate."""

    q = Search("title", "slug", "device")
    device = filters.CharFilter(label=_("Device type"))
    introduced = AnyRow(label=_("Introduced in"), queryset=releases)
    gate = filters.ChoiceFilter(
        label=_("Gate"),
        choices=[("property", _("switched by a property")), ("none", _("always on"))],
        method="by_gate",
        empty_label=_("any"),
    )

    class Meta:
        model = Feature
        fields: ClassVar[list[str]] = []

    def by_gate(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(gate__isnull=value == "none")


# --- What is decided and tried --------------------------------------------------------------------


class ChangeFilter(filters.FilterSet):  # type: ignore[misc]
    """Change requests by status (``open`` for all that are), tree, release, and whose they are."""

    q = Search("title", "description", "release__version", "release__tree__name")
    status = AnyOf(
        label=_("Status"),
        choices=[("open", _("open")), *ChangeRequest.Status.choices],
        method="by_status",
    )
    tree = AnyRow(label=_("Tree"), field_name="release__tree", queryset=trees, to_field_name="name")
    release = AnyRow(label=_("Release"), queryset=releases)
    author = filters.CharFilter(label=_("Author"), field_name="author__username")
    mine = TickFilter(label=_("Only mine"), method="by_author")

    class Meta:
        model = ChangeRequest
        fields: ClassVar[list[str]] = []

    def by_status(self, rows: QuerySet[Any], name: str, value: list[str]) -> QuerySet[Any]:
        statuses = {item for item in value if item != "open"}
        if "open" in value:
            statuses |= set(ChangeRequest.OPEN)
        return rows.filter(status__in=statuses)

    def by_author(self, rows: QuerySet[Any], name: str, value: bool) -> QuerySet[Any]:
        return rows.filter(author=self.request.user) if value else rows


class TrialFilter(filters.FilterSet):  # type: ignore[misc]
    """Trials by outcome, state, a release on either side, and machine type."""

    q = Search(
        "machine_type",
        "source__tree__name",
        "source__version",
        "destination__tree__name",
        "destination__version",
    )
    outcome = AnyOf(label=_("Outcome"), choices=OUTCOMES)
    state = AnyOf(label=_("State"), choices=Trial.State.choices)
    release = AnyRow(label=_("Release"), queryset=releases, method="by_release")
    machine_type = filters.CharFilter(label=_("Machine type"), lookup_expr="icontains")

    class Meta:
        model = Trial
        fields: ClassVar[list[str]] = []

    def by_release(self, rows: QuerySet[Any], name: str, value: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(Q(source__in=value) | Q(destination__in=value)) if value else rows


# --- What was published, imported, done -----------------------------------------------------------


class BundleFilter(filters.FilterSet):  # type: ignore[misc]
    """Bundles by the names of their tree and release, and by whether they may be used."""

    q = Search("filename", "sha256", "revision__digest")
    tree = filters.CharFilter(label=_("Tree"), field_name="revision__release__tree__name")
    version = filters.CharFilter(label=_("Version"), field_name="revision__release__version")
    revoked = TickFilter(label=_("Revoked"), field_name="revocation", lookup_expr="isnull",
                         exclude=True)  # fmt: skip

    class Meta:
        model = Bundle
        fields: ClassVar[list[str]] = []


class SnapshotFilter(filters.FilterSet):  # type: ignore[misc]
    """Snapshots by the tree of their release, and by whether they still hold."""

    q = Search("release__tree__name", "release__version", "qemu_version", "package", "source")
    tree = AnyRow(label=_("Tree"), field_name="release__tree", queryset=trees, to_field_name="name")
    current = TickFilter(label=_("Only the current ones"), field_name="is_current")

    class Meta:
        model = Snapshot
        fields: ClassVar[list[str]] = []


class JobFilter(filters.FilterSet):  # type: ignore[misc]
    """Jobs by what they do and how far they are."""

    kind = filters.ChoiceFilter(label=_("Kind"), choices=Job.Kind.choices)
    status = filters.ChoiceFilter(label=_("Status"), choices=Job.Status.choices)

    class Meta:
        model = Job
        fields: ClassVar[list[str]] = []


class AuditFilter(filters.FilterSet):  # type: ignore[misc]
    """Audit entries by person, by action, by object, and by day."""

    q = Search("object_label", label=_("Object"))
    actor = filters.CharFilter(label=_("Person"))
    action = filters.CharFilter(label=_("Action"), lookup_expr="icontains")
    since = filters.DateFilter(
        label=_("From the day"), field_name="at", lookup_expr="date__gte", widget=Day
    )
    until = filters.DateFilter(
        label=_("Up to the day"), field_name="at", lookup_expr="date__lte", widget=Day
    )
    object_type = filters.CharFilter(label=_("Kind of object"))
    object_id = filters.CharFilter(label=_("Object's number"))

    class Meta:
        model = AuditEntry
        fields: ClassVar[list[str]] = []
