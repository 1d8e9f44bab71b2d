"""Every page, named and with an address that shows something: for tests and benchmarks of all.

Addresses are found in ``frontend.urls``, so a page that is added is looked at without being named
here; ``VARIANTS`` are the forms of a page that cost more than the plain one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from machines.models import Section
from policy.models import Bundle, ChangeRequest, Feature, Trial
from workers.models import Job

#: What only a form or a mail leads to: no page, or none that a signed-in person is shown.
NO_PAGES = frozenset({"login", "logout", "unsubscribe"})
#: What a part of an address may name that has a page; an address with any other is acted on.
KNOWN = frozenset({"tree", "version", "slug", "number", "driver", "username", "name", "pk"})
TABS = ("changes", "findings", "trials", "discussion", "history", "bundle")


@dataclass(frozen=True)
class Page:
    """``name`` says which page it is and how it is looked at."""

    name: str
    address: str


class Subjects:
    """What the pages are about: of each kind one that is as large as any."""

    def __init__(self) -> None:
        self.change = self._draft()
        self.release = self.change.release
        self.published = ChangeRequest.objects.filter(status="published").latest("pk")
        self.machine_type = self.change.policy.machine_types[-1].name
        self.device = "mc146818rtc"
        refused = Trial.objects.exclude(outcome__in=["", "correct"])
        self.trial = refused.first() or Trial.objects.earliest("pk")
        self.bundle = Bundle.objects.select_related("revision__release__tree").latest("pk")
        self.feature = Feature.objects.earliest("pk")
        self.job = Job.objects.latest("pk")

    def _draft(self) -> ChangeRequest:
        """One that waits to be published, of the tree with the most releases to compare with."""
        found = ChangeRequest.objects.filter(status="approved").select_related("release__tree")
        return max(found, key=lambda item: (item.release.tree.releases.count(), item.pk))

    def arguments(self, route: str, names: set[str]) -> dict[str, Any]:
        """The arguments of an address, by the names in its route."""
        release = self.bundle.revision.release if "bundles/<" in route else self.release
        known: dict[str, Any] = {
            "tree": release.tree.name,
            "version": release.version,
            "slug": self.feature.slug,
            "number": self.bundle.revision.number,
            "driver": self.device,
            "username": "maintainer",
            "name": self.machine_type,
        }
        if route.startswith("trees/"):
            known["name"] = release.tree.name
        elif route.startswith("lists/"):
            known["name"] = "changes"
        elif "devices/" in route:
            known["name"] = self.device
        if "pk" in names:
            known["pk"] = self._key(route)
        return {name: known[name] for name in names}

    def _key(self, route: str) -> int:
        kinds = {"changes/": self.change, "trials/": self.trial, "jobs/": self.job}
        return next((int(item.pk) for start, item in kinds.items() if start in route), 0)


def pages() -> list[Page]:
    """Every page, then its costlier variants."""
    subjects = Subjects()
    return [
        Page(name, address)
        for name, address in (*_plain(subjects), *_variants(subjects))
        if name.startswith("api-handbook") or not name.startswith(("api-", "admin"))
    ]


def api_lists() -> list[Page]:
    """Every address of the API that is read, with and without the draft of a change request."""
    subjects = Subjects()
    return [
        Page(name, address)
        for name, address in (*_plain(subjects), *_variants(subjects))
        if name.startswith("api-") and not name.startswith("api-handbook")
    ]


def _plain(subjects: Subjects) -> Iterator[tuple[str, str]]:
    for pattern in _patterns(get_resolver().url_patterns, ""):
        route, name = pattern
        arguments = set(re.findall(r"<\w+:(\w+)>", route))
        if name in NO_PAGES or not arguments <= KNOWN:
            continue
        yield name, reverse(name, kwargs=subjects.arguments(route, arguments))


def _patterns(found: list[Any], before: str) -> Iterator[tuple[str, str]]:
    for item in found:
        route = before + str(item.pattern)
        if isinstance(item, URLPattern):
            yield route, item.name or ""
        elif isinstance(item, URLResolver) and not route.startswith("admin/"):
            yield from _patterns(item.url_patterns, route.removeprefix("api/v1/"))


def _variants(subjects: Subjects) -> Iterator[tuple[str, str]]:
    release, change = subjects.release, subjects.change
    tree, machine_type = release.tree.name, subjects.machine_type
    at = {"tree": tree, "version": release.version}
    draft = {"change": change.pk}
    section = Section.objects.filter(device_type__name=subjects.device, parent=None).latest("pk")
    cell = {"section": section.path, "version": section.version_id}

    def page(view: str, what: str, query: dict[str, Any], **arguments: Any) -> tuple[str, str]:
        return f"{view}, {what}", f"{reverse(view, kwargs=arguments)}?{urlencode(query)}"

    for tab in TABS:
        yield page("change", tab, {"tab": tab}, pk=change.pk)
    yield page("change", "published", {}, pk=subjects.published.pk)
    yield page("change", "published, bundle", {"tab": "bundle"}, pk=subjects.published.pk)
    yield page("change", "against its base", {"from": "base"}, pk=change.pk)
    yield page("changes", "all", {"status": "all"})
    yield page("changes", "page 3", {"status": "all", "page": 3})
    yield page("changes", "searched", {"q": "Carry guests"})
    yield page("release", "draft", draft, **at)
    yield page("machine-types", "draft", draft, **at)
    yield page("machine-type", "draft", draft, **at, name=machine_type)
    yield page("machine-type", "in order", {"view": "order"}, **at, name=machine_type)
    yield page("devices", "searched", {"q": "virtio"}, **at)
    yield page("device", "draft, a cell", draft | cell, **at, name=subjects.device)
    yield page("device", "virtio-net-pci", {}, **at, name="virtio-net-pci")
    yield page("matrix", "one machine type", {"tree": tree, "machine_type": machine_type})
    yield page("matrix", "all", {"tree": tree, "machine_type": "all"})
    yield page("matrix", "all, draft", {"tree": tree, "machine_type": "all"} | draft)
    yield page("trials", "refused", {"outcome": "refused"})
    yield page("trials", "last page", {"page": 100})
    yield page("trial", "all properties", {"properties": "all"}, pk=subjects.trial.pk)
    yield page("search", "virtio", {"q": "virtio"})
    yield page("search", "machine type", {"q": machine_type})
    yield page("audit", "one person", {"actor": "maintainer"})
    other = release.tree.releases.exclude(pk=release.pk).first() or release
    ends = {"source": other.label, "destination": release.label, "machine_type": machine_type}
    yield page("comparison", "two releases", ends)
    yield page("api-handbook", "changes", {"group": "changes"})
    yield page("api-search", "virtio", {"q": "virtio"})
    yield page("api-findings", "of a device", {"device": "virtio-net-pci"}, pk=change.pk)
    yield page("api-machine-types", "draft", draft, **at)
    yield page("api-devices", "draft", draft, **at)
    ends = {"old": other.label, "new": release.label}
    yield page("api-proposals", "two releases", ends)
    for folder in ("qemu", "lockstep"):
        found = {"tab": "bundle", "folder": folder}
        yield page("change", f"bundle, {folder}", found, pk=change.pk)
    yield page("completion", "virtio-net-pci", {"driver": "virtio-net-pci"}, **at)
