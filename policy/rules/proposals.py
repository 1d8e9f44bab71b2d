"""Features found by comparing two catalogues, and what a backport of one brings along. Pure.

The maintainer names and confirms; no layout is ever typed by hand. What two catalogues of a tree
can show is a new subsection, fields of a raised version, a conditional field that the same version
has more, and a property that older machine types switch off, with the fields that it decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from machines.emulator import qdev
from machines.emulator.catalogue import Catalogue, CompatProperty, Description, Field
from machines.emulator.catalogue.descriptions import description_to_json
from machines.emulator.features import Carrier, FeatureSpec, Gate
from machines.emulator.layout import DescribedSection, described_sections
from machines.emulator.relevance import influences
from policy.document import Graft
from policy.rules.bitmaps import section_at


class FeatureError(ValueError):
    """The feature does not fit the release. ``field`` is the part of it at fault."""

    def __init__(self, message: str, field: str = "carriers") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Proposal:
    """A feature that a catalogue seems to have gained, and the layouts that a backport needs."""

    spec: FeatureSpec
    grafts: tuple[Graft, ...]
    summary: str


def propose(old: Catalogue, new: Catalogue) -> tuple[Proposal, ...]:
    """What devices that both catalogues have gained from ``old`` to ``new``, by device."""
    found: list[Proposal] = []
    conditional: dict[str, list[_Gained]] = {}
    for device in sorted(new.descriptions):
        if device in old.descriptions:
            found += _new_sections(device, old, new)
            found += _raised_versions(device, old, new)
            conditional[device] = list(_conditional_fields(device, old, new))
    switched = list(_new_properties(old, new, conditional))
    found += _fields_alone(conditional, switched)
    return (*found, *switched)


def _new_sections(device: str, old: Catalogue, new: Catalogue) -> Iterator[Proposal]:
    known = {item.path for item in described_sections(old.descriptions[device])}
    added: set[str] = set()
    for section in described_sections(new.descriptions[device]):
        if section.path in known or not section.optional:
            continue
        added.add(section.path)
        if section.parent in added:
            continue  # comes along with the subsection that it is part of
        name = section.description.name
        spec = FeatureSpec(
            slug=_slug(f"{device}-{name.rpartition('/')[2]}"),
            title=f"{name} of {device}",
            device=device,
            carriers=(Carrier(section.path, subsection=True),),
            gate=_likely_gate(device, name, old, new),
        )
        yield Proposal(spec, (_graft(section),), f"{device} has a new subsection {name}")


def _raised_versions(device: str, old: Catalogue, new: Catalogue) -> Iterator[Proposal]:
    known = {item.path: item.description for item in described_sections(old.descriptions[device])}
    for section in described_sections(new.descriptions[device]):
        before = known.get(section.path)
        if before is None:
            continue
        later = [item for item in section.description.fields if item.version_id > before.version_id]
        for version in sorted({item.version_id for item in later}):
            fields = tuple(dict.fromkeys(f.name for f in later if f.version_id == version))
            spec = FeatureSpec(
                slug=_slug(f"{device}-{section.description.name.rpartition('/')[2]}-v{version}"),
                title=f"{section.description.name} version {version} of {device}",
                device=device,
                carriers=(Carrier(section.path, version=version, fields=fields),),
            )
            summary = f"{section.path} of {device} has {', '.join(fields)} since version {version}"
            yield Proposal(spec, (_graft(_cut(section, version)),), summary)


@dataclass(frozen=True, slots=True)
class _Gained:
    """Conditional fields that a section has more at a version that the older one has, too."""

    before: Description
    section: DescribedSection
    fields: tuple[str, ...]

    def carrier(self, names: tuple[str, ...]) -> Carrier:
        return Carrier(self.section.path, fields=names)

    def graft(self, names: tuple[str, ...]) -> Graft:
        return _graft(_with_fields(self.section, self.before, names))


def _conditional_fields(device: str, old: Catalogue, new: Catalogue) -> Iterator[_Gained]:
    """What a predicate decides about, whatever the version: only so may a version gain a field."""
    known = {item.path: item.description for item in described_sections(old.descriptions[device])}
    for section in described_sections(new.descriptions[device]):
        before = known.get(section.path)
        if before is None:
            continue
        names = {item.name for item in before.fields}
        gained = tuple(
            item.name
            for item in section.description.fields
            if item.conditional and item.name not in names and item.version_id <= before.version_id
        )
        if gained:
            yield _Gained(before, section, tuple(dict.fromkeys(gained)))


def _fields_alone(
    conditional: Mapping[str, Iterable[_Gained]], switched: Iterable[Proposal]
) -> Iterator[Proposal]:
    """Those of the fields that no new property is known to decide."""
    owned = {
        (item.spec.device, carrier.section, name)
        for item in switched
        for carrier in item.spec.carriers
        for name in carrier.fields
    }
    for device, listed in conditional.items():
        for item in listed:
            path = item.section.path
            names = tuple(name for name in item.fields if (device, path, name) not in owned)
            if not names:
                continue
            spec = FeatureSpec(
                slug=_slug(f"{device}-{names[0]}"),
                title=f"{', '.join(names)} of {device}",
                device=device,
                carriers=(item.carrier(names),),
            )
            summary = f"{path} of {device} has {', '.join(names)} more at the same version"
            yield Proposal(spec, (item.graft(names),), summary)


def _new_properties(
    old: Catalogue, new: Catalogue, conditional: Mapping[str, Iterable[_Gained]]
) -> Iterator[Proposal]:
    """Properties that ``new`` has more, and that a compat entry of its own switches back."""
    for entry in _newest_entries(new).values():
        info = qdev.property_of(new, entry.driver, entry.property)
        if info is None or qdev.has_property(old, entry.driver, entry.property):
            continue
        on = qdev.text_of(info.default)
        if entry.driver not in old.types or on is None or qdev.same_value(on, entry.value):
            continue
        decided = list(_decided(entry, new, conditional.get(entry.driver, ())))
        spec = FeatureSpec(
            slug=_slug(f"{entry.driver}-{entry.property}"),
            title=f"{entry.property} of {entry.driver}",
            device=entry.driver,
            carriers=tuple(item.carrier(names) for item, names in decided),
            gate=Gate(entry.driver, entry.property, on),
        )
        sent = [name for _item, names in decided for name in names]
        yield Proposal(
            spec,
            tuple(item.graft(names) for item, names in decided),
            f"{entry.driver} has a new property {entry.property} (default {on}), which older "
            f"machine types set to {entry.value}"
            + (f"; it decides whether {', '.join(sent)} is sent" if sent else ""),
        )


def _decided(
    entry: CompatProperty, new: Catalogue, gained: Iterable[_Gained]
) -> Iterator[tuple[_Gained, tuple[str, ...]]]:
    """The new fields that a property is known to decide, by section."""
    influenced = influences(new, entry.driver, entry.property)
    places = {item.place for item in influenced if item.mechanism == "fields"}
    for item in gained:
        if names := tuple(name for name in item.fields if name in places):
            yield item, names


def _newest_entries(catalogue: Catalogue) -> dict[tuple[str, str], CompatProperty]:
    lists = [item.compat for item in catalogue.machine_types.values()]
    lists += catalogue.arrays.values()
    found: dict[tuple[str, str], CompatProperty] = {}
    for entries in lists:
        for entry in entries:
            found.setdefault((entry.driver, entry.property), entry)
    return dict(sorted(found.items()))


def _likely_gate(device: str, name: str, old: Catalogue, new: Catalogue) -> Gate | None:
    """A new property of the device that is named like the subsection and switched by a machine."""
    word = re.sub(r"[^a-z0-9]+", "-", name.rpartition("/")[2].lower())
    before = qdev.properties_of(old, device)
    for key, info in sorted(qdev.properties_of(new, device).items()):
        on = qdev.text_of(info.default)
        if key not in before and info.type == "bool" and on is not None and word in key:
            return Gate(device, key, on)
    return None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:100]


# --- What speaks for a proposal -------------------------------------------------------------------

#: So many places that switch a property are named.
MAX_PLACES = 4


@dataclass(frozen=True, slots=True)
class SwitchedIn:
    """A compat array (or a machine type, of a release that tells no arrays) that sets the gate."""

    place: str
    value: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the two catalogues show: ``kind`` is subsection, version, field or property.

    ``fields`` are those that are new, each with its size in bytes; ``property`` is the gate with
    its type and default; ``switched_in`` are the places that switch it, ``more`` of them unnamed.
    """

    kind: str
    fields: tuple[str, ...]
    property: str
    switched_in: tuple[SwitchedIn, ...]
    more: int


def evidence_of(proposal: Proposal, new: Catalogue) -> Evidence:
    """What speaks for a proposal of :func:`propose`, in the catalogue that has gained it."""
    spec = proposal.spec
    carrier = spec.carriers[0] if spec.carriers else None
    kind = _kind(carrier)
    fields: list[str] = []
    if carrier is not None:
        section = section_at(new, spec.device, carrier.section)
        listed = section.description.fields if section is not None else ()
        wanted = carrier.fields or [item.name for item in listed]
        fields = [_sized(item) for item in listed if item.name in wanted]
    places = _switched_in(spec.gate, new) if spec.gate is not None else []
    return Evidence(
        kind,
        tuple(fields),
        _described(spec.gate, new) if spec.gate is not None else "",
        tuple(places[:MAX_PLACES]),
        len(places[MAX_PLACES:]),
    )


def _kind(carrier: Carrier | None) -> str:
    if carrier is None:
        return "property"
    if carrier.subsection:
        return "subsection"
    return "field" if carrier.version is None else "version"


def _sized(item: Field) -> str:
    # What a predicate decides about has none.
    return f"{item.name} ({item.size} B)" if item.size else item.name


def _described(gate: Gate, catalogue: Catalogue) -> str:
    info = qdev.property_of(catalogue, gate.driver, gate.property)
    if info is None:
        return f"{gate.driver}.{gate.property}"
    return f"{gate.driver}.{gate.property}: {info.type}, default {qdev.text_of(info.default)}"


def _switched_in(gate: Gate, catalogue: Catalogue) -> list[SwitchedIn]:
    lists = catalogue.arrays or {
        name: item.compat for name, item in catalogue.machine_types.items()
    }
    return [
        SwitchedIn(name, entry.value)
        for name, entries in lists.items()
        for entry in entries
        if (entry.driver, entry.property) == (gate.driver, gate.property)
    ]


# --- What a backport brings along -----------------------------------------------------------------


def check_feature(spec: FeatureSpec, catalogue: Catalogue, label: str) -> None:
    """Raise :class:`FeatureError` unless the release that introduced it shows all of it."""
    if spec.device not in catalogue.types and spec.device not in catalogue.descriptions:
        raise FeatureError(f"{label} has no device type '{spec.device}'.", "device")
    for carrier in spec.carriers:
        description = _section(spec, carrier, catalogue, label).description
        if carrier.version is not None and carrier.version > description.version_id:
            raise FeatureError(
                f"{carrier.section} is at version {description.version_id} in {label}, "
                f"not yet at {carrier.version}."
            )
        names = {item.name for item in description.fields}
        for name in carrier.fields:
            if name not in names:
                raise FeatureError(f"{carrier.section} has no field '{name}' in {label}.")
    gate = spec.gate
    if gate is None:
        return
    if gate.driver not in catalogue.types:
        raise FeatureError(f"{label} has no device type '{gate.driver}'.", "gate")
    info = qdev.property_of(catalogue, gate.driver, gate.property)
    if info is None and gate.driver not in catalogue.unreadable:
        raise FeatureError(f"{label} has no property {gate.driver}.{gate.property}.", "gate")
    problem = qdev.check_value(info, gate.on) if info is not None else None
    if problem is not None:
        raise FeatureError(f"{gate.driver}.{gate.property}: {problem}.", "gate")


def grafts_for(spec: FeatureSpec, introduced: Catalogue, own: Catalogue) -> tuple[Graft, ...]:
    """The layouts that a release needs to carry the feature, one for each section concerned.

    ``introduced`` is the catalogue of the release that introduced it, ``own`` that of the release
    which takes it. A section of the feature's own comes as it is. Conditional fields come into the
    release's own layout, each behind the field that it follows there. A linear version comes with
    every field up to that version: a version that skipped the fields before it would be a layout
    that no other tree knows under this number. Raises :class:`FeatureError`.
    """
    grafts: dict[str, Graft] = {}
    for carrier in spec.carriers:
        section = _section(spec, carrier, introduced, introduced.version)
        if carrier.version is not None:
            present = section_at(own, spec.device, carrier.section)
            if present is not None and present.description.version_id >= carrier.version:
                continue  # the release has that version already
            section = _cut(section, carrier.version)
        elif carrier.fields and not carrier.subsection:
            present = section_at(own, spec.device, carrier.section)
            if present is not None:
                section = _with_fields(section, present.description, carrier.fields)
                if section.description == _without_subsections(present.description):
                    continue  # the release has those fields already
        grafts[carrier.section] = _graft(section)
    return tuple(grafts.values())


def _section(
    spec: FeatureSpec, carrier: Carrier, catalogue: Catalogue, label: str
) -> DescribedSection:
    section = section_at(catalogue, spec.device, carrier.section)
    if section is None:
        raise FeatureError(f"{spec.device} has no section '{carrier.section}' in {label}.")
    return section


def _with_fields(
    introduced: DescribedSection, own: Description, names: Collection[str]
) -> DescribedSection:
    """The release's own layout with these fields of the introducing one, each where that has it."""
    fields = list(own.fields)
    before = 0  # behind the last field that both have
    for item in introduced.description.fields:
        places = [place for place, each in enumerate(fields) if each.name == item.name]
        if places:
            before = places[-1] + 1
        elif item.name in names:
            fields.insert(before, item)
            before += 1
    return replace(introduced, description=_without_subsections(replace(own, fields=tuple(fields))))


def _cut(section: DescribedSection, version: int) -> DescribedSection:
    """The section as it was at that version, without any subsection."""
    fields = tuple(item for item in section.description.fields if item.version_id <= version)
    description = replace(section.description, version_id=version, fields=fields)
    return replace(section, description=_without_subsections(description))


def _without_subsections(description: Description) -> Description:
    """Those of nested structures go as well: each is, or is part of, a feature of its own."""
    fields = tuple(
        item if item.struct is None else replace(item, struct=_without_subsections(item.struct))
        for item in description.fields
    )
    return replace(description, fields=fields, subsections=())


def _graft(section: DescribedSection) -> Graft:
    return Graft(section.path, description_to_json(section.description))
