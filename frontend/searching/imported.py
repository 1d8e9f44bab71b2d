"""Finding what releases are: themselves, their machine types, devices, properties, sections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from django.utils.translation import gettext_lazy as _

from frontend.addresses import release_address
from frontend.searching import known
from frontend.searching.asking import Hit, Kind, Listed, Search, list_of
from machines.models import Release


@dataclass(frozen=True, slots=True)
class Found:
    """A name, the release that it leads to, and how many that the person sees have it."""

    name: str
    device: str
    release: Release
    count: int

    @property
    def where(self) -> str:
        """The release, and how many more have the same: ``rhel 9.2 +3``."""
        more = f" +{self.count - 1}" if self.count > 1 else ""
        return f"{self.release.label}{more}"


def _releases(asked: Search) -> list[Hit]:
    words = [word.lower() for word in asked.words]
    found = [item for item in asked.releases.values() if all(word in item.label for word in words)]
    found.sort(key=lambda item: (len(item.label), item.label))
    return [Hit(item.label, release_address("release", item)) for item in found[: asked.limit]]


def _machine_types(asked: Search) -> list[Hit]:
    return [
        Hit(
            item.name,
            release_address("machine-type", item.release, item.name),
            item.where,
            mono=True,
        )
        for item in _found(asked, known.MACHINE_TYPES)
    ]


def _devices(asked: Search) -> list[Hit]:
    return [
        Hit(item.name, release_address("device", item.release, item.name), item.where, mono=True)
        for item in _found(asked, known.DEVICE_TYPES)
    ]


def _properties(asked: Search) -> list[Hit]:
    return [
        Hit(item.name, f"{_device(item)}#device-properties", item.where, mono=True)
        for item in _found(asked, known.PROPERTIES)
    ]


def _sections(asked: Search) -> list[Hit]:
    return [
        Hit(item.name, _device(item), item.device, mono=True)
        for item in _found(asked, known.SECTIONS)
    ]


def _device(item: Found) -> str:
    return release_address("device", item.release, item.device)


def _found(asked: Search, source: known.Source) -> Iterator[Found]:
    """The first names. One leads to the release that the person looks at, else to the last."""
    for name, releases in islice(_seen(asked, source), asked.limit):
        leads_to = asked.seen if asked.seen in releases else max(releases)
        yield Found(name.text, name.device, asked.releases[leads_to], len(releases))


def _seen(asked: Search, source: known.Source) -> Iterator[tuple[known.Name, frozenset[int]]]:
    """The names that hold the words, each with those of its releases that the person sees."""
    for name in known.with_words(source, asked.snapshots, asked.words):
        if releases := name.releases & asked.releases.keys():
            yield name, releases


def _list_of_release(page: str, source: known.Source) -> Callable[[Search], Listed]:
    """A list of one release: of the one that the person looks at, else of the one that has most."""

    def listed(asked: Search) -> Listed:
        counts = Counter(number for _name, having in _seen(asked, source) for number in having)
        most = max(counts, key=lambda number: (number == asked.seen, counts[number], number))
        release = asked.releases[most]
        return Listed(release_address(page, release, **asked.query), release.label)

    return listed


RELEASES = Kind("releases", _("Releases"), _releases, list_of("releases"))
MACHINE_TYPES = Kind(
    "machine-types",
    _("Machine types"),
    _machine_types,
    _list_of_release("machine-types", known.MACHINE_TYPES),
)
DEVICES = Kind("devices", _("Devices"), _devices, _list_of_release("devices", known.DEVICE_TYPES))
PROPERTIES = Kind("properties", _("Properties"), _properties)
SECTIONS = Kind("sections", _("Sections"), _sections)
