"""Search by words over everything a person may see: one query a kind, the closest names first.

A word is found anywhere in a name, whatever its case; all words have to be found. ``#12`` or ``12``
finds the change request and the trial of that number as well. What several releases have is one
hit, which leads to the release that the person looks at, else to the one imported last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Case, Count, Max, Q, QuerySet, Value, When
from django.db.models.functions import Concat, Length
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from frontend.addresses import release_address
from frontend.numbers import number_of
from machines.models import DeviceType, MachineType, Property, Release, Section
from policy.models import Bundle, ChangeRequest, Comment, Feature, Trial
from policy.permissions import trees_where

MAX_WORDS = 6
MAX_LENGTH = 200
#: Letters of a comment that a hit shows.
EXCERPT = 90


@dataclass(frozen=True, slots=True)
class Hit:
    """``mono``: the label is a name of QEMU's."""

    label: str
    href: str
    where: str = ""
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The hits of one kind, which ``name`` names to a program and ``title`` to a person."""

    name: str
    title: str | Promise
    hits: list[Hit]


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, by whom, and where: ``releases`` are those they may see, by number."""

    words: tuple[str, ...]
    user: User
    trees: frozenset[int]
    releases: dict[int, Release]
    seen: int | None
    limit: int

    @property
    def number(self) -> int | None:
        """The number that was typed alone, with or without its ``#``."""
        return number_of(self.words[0].removeprefix("#")) if len(self.words) == 1 else None

    def named(self, rows: QuerySet[Any], *fields: str) -> QuerySet[Any]:
        """The rows that hold every word in some field, the shortest of the first field first."""
        return rows.filter(self.matches(*fields)).order_by(Length(fields[0]), fields[0])

    def matches(self, *fields: str) -> Q:
        found = Q()
        for word in self.words:
            anywhere = Q()
            for field in fields:
                anywhere |= Q(**{f"{field}__icontains": word})
            found &= anywhere
        return found

    def shared(self, rows: QuerySet[Any], names: tuple[str, ...], release: str) -> list[Any]:
        """The names that several releases share, each once: (names…, releases, seen, last)."""
        here = Case(When(**{release: self.seen}, then=Value(1)), default=Value(0))
        found = rows.values_list(*names).annotate(
            count=Count(release, distinct=True), here=Max(here), last=Max(release)
        )
        return list(found[: self.limit])

    def release_of(self, here: int, last: int) -> Release:
        return self.releases[self.seen if here and self.seen else last]


def search(text: str, user: User, seen: int | None, limit: int) -> list[Group]:
    """The kinds that have any hit, with at most ``limit`` each.

    ``seen`` is the release that the person looked at last, by its number.
    """
    words = tuple(text[:MAX_LENGTH].split()[:MAX_WORDS])
    trees = trees_where(user, "view") if words else frozenset()
    if not trees:
        return []
    rows = Release.objects.filter(tree__in=trees).select_related("tree")
    asked = Search(words, user, trees, {row.pk: row for row in rows}, seen, limit)
    kinds = KINDS + MANY if any(len(word) > 1 for word in words) else KINDS
    found = [Group(name, title, list(find(asked))) for name, title, find in kinds]
    return [group for group in found if group.hits]


def _releases(asked: Search) -> list[Hit]:
    words = [word.lower() for word in asked.words]
    found = [item for item in asked.releases.values() if all(word in item.label for word in words)]
    found.sort(key=lambda item: (len(item.label), item.label))
    return [Hit(item.label, release_address("release", item)) for item in found[: asked.limit]]


def _machine_types(asked: Search) -> list[Hit]:
    return _catalogued(asked, MachineType.objects.all(), "machine-type")


def _devices(asked: Search) -> list[Hit]:
    return _catalogued(asked, DeviceType.objects.all(), "device")


def _catalogued(asked: Search, rows: QuerySet[Any], page: str) -> list[Hit]:
    rows = rows.filter(snapshot__is_current=True, snapshot__release__in=asked.releases)
    found = asked.shared(asked.named(rows, "name"), ("name",), "snapshot__release")
    return [
        Hit(name, release_address(page, release, name), _where(release, count), mono=True)
        for name, count, here, last in found
        for release in [asked.release_of(here, last)]
    ]


def _properties(asked: Search) -> list[Hit]:
    rows = Property.objects.annotate(whole=Concat("device_type__name", Value("."), "name")).filter(
        _current("device_type__", asked)
    )
    names = ("whole", "device_type__name")
    found = asked.shared(asked.named(rows, "whole"), names, "device_type__snapshot__release")
    return [
        Hit(
            whole,
            f"{release_address('device', release, device)}#device-properties",
            _where(release, count),
            mono=True,
        )
        for whole, device, count, here, last in found
        for release in [asked.release_of(here, last)]
    ]


def _sections(asked: Search) -> list[Hit]:
    rows = Section.objects.filter(_current("device_type__", asked))
    names = ("path", "device_type__name")
    found = asked.shared(asked.named(rows, "path"), names, "device_type__snapshot__release")
    return [
        Hit(path, release_address("device", release, device), device, mono=True)
        for path, device, _count, here, last in found
        for release in [asked.release_of(here, last)]
    ]


def _current(prefix: str, asked: Search) -> Q:
    snapshot = f"{prefix}snapshot__"
    return Q(**{f"{snapshot}is_current": True, f"{snapshot}release__in": list(asked.releases)})


def _where(release: Release, count: int) -> str:
    """The release, and how many more have the same: ``rhel 9.2 +3``."""
    return release.label if count == 1 else f"{release.label} +{count - 1}"


def _features(asked: Search) -> list[Hit]:
    rows = Feature.objects.filter(introduced__tree__in=asked.trees)
    found = asked.named(rows, "title", "slug", "device")[: asked.limit]
    return [Hit(row.title, reverse("feature", args=[row.slug]), row.device) for row in found]


def _changes(asked: Search) -> list[Hit]:
    rows = ChangeRequest.objects.filter(release__in=asked.releases).defer("content")
    named = rows.filter(asked.matches("title", "description") | Q(pk=asked.number))
    return [
        Hit(
            f"#{row.pk} {row.title}",
            reverse("change", args=[row.pk]),
            asked.releases[row.release_id].label,
        )
        for row in named.order_by("-pk")[: asked.limit]
    ]


def _trials(asked: Search) -> list[Hit]:
    ends = [f"{end}__{field}" for end in ("source", "destination") for field in _RELEASE_FIELDS]
    rows = Trial.objects.filter(source__in=asked.releases, destination__in=asked.releases)
    rows = rows.filter(asked.matches("machine_type", "outcome", *ends) | Q(pk=asked.number))
    rows = rows.only("pk", "source", "destination", "machine_type")
    return [
        Hit(
            f"#{row.pk} {asked.releases[row.source_id].label} → "
            f"{asked.releases[row.destination_id].label}",
            reverse("trial", args=[row.pk]),
            row.machine_type,
        )
        for row in rows.order_by("-pk")[: asked.limit]
    ]


_RELEASE_FIELDS = ("version", "tree__name")


def _bundles(asked: Search) -> list[Hit]:
    rows = Bundle.objects.filter(revision__release__in=asked.releases).select_related("revision")
    rows = rows.defer("content", "revision__content")
    found = []
    for row in asked.named(rows, "filename")[: asked.limit]:
        release = asked.releases[row.revision.release_id]
        address = [release.tree.name, release.version, row.revision.number]
        found.append(Hit(row.filename, reverse("bundle", args=address), release.label, mono=True))
    return found


def _people(asked: Search) -> list[Hit]:
    rows = User.objects.filter(is_active=True, memberships__tree__in=asked.trees).distinct()
    found = asked.named(rows, "username", "first_name", "last_name")[: asked.limit]
    return [
        Hit(row.username, reverse("person", args=[row.username]), row.get_full_name())
        for row in found
    ]


def _comments(asked: Search) -> list[Hit]:
    seen = Q(published_at__isnull=False) | Q(author=asked.user)
    rows = Comment.objects.filter(seen, thread__change_request__release__in=asked.releases)
    rows = rows.filter(asked.matches("text")).select_related("thread", "author").order_by("-pk")
    return [
        Hit(
            _excerpt(row.text, asked.words[0]),
            f"{reverse('change', args=[row.thread.change_request_id])}"
            f"?tab=discussion#comment-{row.pk}",
            f"#{row.thread.change_request_id} {row.author.username}",
        )
        for row in rows[: asked.limit]
    ]


def _excerpt(text: str, word: str) -> str:
    """The words of a comment around the first place where it holds the word."""
    line = " ".join(text.split())
    start = max(0, line.lower().find(word.lower()) - EXCERPT // 3)
    end = start + EXCERPT
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")


Kind = tuple[str, str | Promise, Callable[[Search], Iterable[Hit]]]

KINDS: tuple[Kind, ...] = (
    ("releases", _("Releases"), _releases),
    ("machine-types", _("Machine types"), _machine_types),
    ("devices", _("Devices"), _devices),
    ("features", _("Features"), _features),
    ("changes", _("Change requests"), _changes),
    ("trials", _("Trials"), _trials),
    ("bundles", _("Bundles"), _bundles),
    ("people", _("People"), _people),
)
#: There are tens of thousands of these: a single letter, which is in most of them, finds none.
MANY: tuple[Kind, ...] = (
    ("properties", _("Properties"), _properties),
    ("sections", _("Sections"), _sections),
    ("comments", _("Comments"), _comments),
)
