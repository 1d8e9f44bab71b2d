"""Small releases for the rules of findings: one PCI device ``nic`` of tree ``down``.

``nic`` has the property ``vectors`` (its MSI-X table), ``speed`` (which no migration depends on)
and ``migrate-tick``, which sends the conditional field ``tick``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from machines.emulator.catalogue import (
    Catalogue,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)
from machines.emulator.features import Carrier, FeatureSpec, Gate
from policy import document, rules
from policy.document import Backport, CatalogueRef, Graft, Migration, Policy
from policy.findings import Finding, Subject, findings

TODAY = date(2026, 11, 23)
NEWEST, OLDER = "pc-q35-down1.2.0", "pc-q35-down1.1.0"
TYPES = {"object": None, "device": "object", "pci-device": "device", "nic": "pci-device"}
NIC = Description("nic", 1, 1, (Field("a", 4), Field("tick", 4, conditional=True)))
PROPERTIES = {
    "nic": {
        "vectors": PropertyInfo("vectors", "uint32", 2),
        "speed": PropertyInfo("speed", "uint32", 5),
        "migrate-tick": PropertyInfo("migrate-tick", "bool", True),
    }
}


def catalogue(**changed: Any) -> Catalogue:
    values: dict[str, Any] = {
        "version": "1.0",
        "types": TYPES,
        "descriptions": {"nic": NIC},
        "properties": PROPERTIES,
    }
    return Catalogue(**values | changed)


def lacking(*names: str) -> dict[str, dict[str, PropertyInfo]]:
    """The properties of a release that does not have these yet."""
    return {"nic": {key: info for key, info in PROPERTIES["nic"].items() if key not in names}}


def entries(*listed: str) -> tuple[CompatProperty, ...]:
    """``nic.vectors=0`` → an entry."""
    found = []
    for text in listed:
        named, _, value = text.partition("=")
        driver, _, name = named.rpartition(".")
        found.append(CompatProperty(driver, name, value))
    return tuple(found)


def release(
    version: str,
    newest: tuple[str, ...] = (),
    older: tuple[str, ...] = (),
    told: Catalogue | None = None,
    migrations: tuple[tuple[str, str], ...] = (),
    stand_in_for: str = "",
    **values: Any,
) -> Subject:
    """A release of ``down`` whose newest machine type has some entries, and the older one more."""
    told = told or catalogue()
    policy = Policy(
        "down",
        version,
        CatalogueRef("up 1.0", "0" * 64),
        machine_types=(
            document.MachineType(NEWEST, "", entries(*newest)),
            document.MachineType(OLDER, NEWEST, entries(*older)),
        ),
        migrations=tuple(Migration(*pair, "correct") for pair in migrations),
        **values,
    )
    return decided(policy, told, stand_in_for)


def decided(policy: Policy, told: Catalogue, stand_in_for: str = "") -> Subject:
    label = policy.label
    base = "up 1.0" if stand_in_for else label
    return Subject(label, policy, rules.policy_catalogue(told, policy), base, stand_in_for)


def told_release(label: str, **lists: tuple[str, ...]) -> Subject:
    """A release without a policy: ``newest`` and ``older`` as its catalogue tells them."""
    names = {"newest": NEWEST, "older": OLDER}
    machines = {
        names[key]: MachineType(names[key], compat=entries(*listed), compat_source="query-machines")
        for key, listed in lists.items()
    }
    return Subject(label, None, replace(catalogue(), machine_types=machines), label)


def found(subject: Subject, *others: Subject, code: str = "", **more: Any) -> list[Finding]:
    """The findings, those of one code where it is given."""
    listed = findings(subject, others, TODAY, **more)
    return [item for item in listed if code in ("", item.code)]


def taken(name: str) -> Backport:
    """A feature with a subsection of its own, which property ``x-<name>`` switches."""
    section = f"nic/nic/{name}"
    field = {"field": name, "version_id": 0, "field_exists": False, "size": 4}
    description = {
        "name": f"nic/{name}",
        "version_id": 1,
        "minimum_version_id": 1,
        "Fields": [field],
    }
    feature = FeatureSpec(
        f"nic-{name}",
        name,
        "nic",
        (Carrier(section, subsection=True),),
        Gate("nic", f"x-{name}", "on"),
    )
    return Backport(feature, grafts=(Graft(section, description),))
