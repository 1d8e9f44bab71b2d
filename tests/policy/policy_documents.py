"""Hypothesis strategies for policy documents, small and with names that often coincide."""

from __future__ import annotations

from hypothesis import strategies as st

from machines.emulator.catalogue import CompatProperty
from machines.emulator.features import Carrier, FeatureSpec, Gate
from policy.document import (
    DECLARABLE,
    Backport,
    CatalogueRef,
    Graft,
    MachineType,
    Migration,
    Mitigation,
    Override,
    Policy,
    Waiver,
)

names = st.sampled_from(["foo", "bar", "virtio-rng-pci", "pc-q35-rhel9.0.0"])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
versions = st.integers(0, 10_000)
entries = st.lists(st.builds(CompatProperty, names, names, texts, texts), max_size=4).map(tuple)
carriers = st.builds(
    Carrier, names, st.none() | versions, st.lists(names, max_size=2).map(tuple), st.booleans()
)
features = st.builds(
    FeatureSpec,
    names,
    texts,
    names,
    st.lists(carriers, max_size=2).map(tuple),
    st.none() | st.builds(Gate, names, names, texts),
)
grafts = st.builds(
    Graft,
    names,
    st.fixed_dictionaries({"name": names, "version_id": versions, "minimum_version_id": versions}),
)
backports = st.builds(
    Backport, features, texts, texts, texts, texts, st.lists(grafts, max_size=2).map(tuple)
)
overrides = st.builds(
    Override,
    names,
    names,
    versions,
    st.sampled_from(["relax", "tighten"]),
    texts,
    st.just("") | names,
)
migrations = st.builds(
    Migration, names, names, st.sampled_from(DECLARABLE), st.just("") | names, texts
)
waivers = st.builds(
    Waiver,
    names,
    names,
    st.just("") | names,
    st.just("") | names,
    st.sampled_from(["aa", "bb"]),
    texts,
    st.dates().map(lambda day: day.isoformat()),
    texts,
)
mitigations = st.builds(Mitigation, names, names, entries, texts, texts)


@st.composite
def machine_types(draw: st.DrawFn) -> tuple[MachineType, ...]:
    """Machine types of different names; a parent is one that comes before."""
    found: list[MachineType] = []
    for name in draw(st.lists(names, unique=True, max_size=3)):
        parent = draw(st.sampled_from(["", *(item.name for item in found)]))
        found.append(MachineType(name, parent, draw(entries), draw(texts)))
    return tuple(found)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy of one release."""

    def several(strategy: st.SearchStrategy[object]) -> tuple[object, ...]:
        return tuple(draw(st.lists(strategy, max_size=2)))

    return Policy(
        "rhel",
        "9.2",
        CatalogueRef("upstream 7.2", draw(st.sampled_from(["aa", "bb"])), draw(texts)),
        backports=several(backports),  # type: ignore[arg-type]
        machine_types=draw(machine_types()),
        overrides=several(overrides),  # type: ignore[arg-type]
        mitigations=several(mitigations),  # type: ignore[arg-type]
        migrations=several(migrations),  # type: ignore[arg-type]
        devices=several(names),  # type: ignore[arg-type]
        waivers=several(waivers),  # type: ignore[arg-type]
    )
