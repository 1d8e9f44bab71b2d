"""Real releases as the rules see them: upstream's catalogues, and RHEL's with its own arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from machines.emulator.catalogue import Catalogue, MachineType
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.catalogue.composition import compose, dated_arrays
from machines.emulator.catalogue.overlay import overlay
from policy import rules
from policy.document import CatalogueRef, Migration, Policy
from policy.findings import Subject
from policy.rules import seeding

#: Release → (its base, what stands in for that where it was not recorded).
RHEL = {"8.9": ("6.2", "7.2"), "9.2": ("7.2", None), "9.3": ("8.0", "10.0")}
SAMPLE = Path(__file__).resolve().parents[2] / "machines" / "sample"
MIGRATIONS = (
    Migration("rhel 8.9", "rhel 9.2", "correct"),
    Migration("rhel 9.2", "rhel 9.3", "correct"),
    Migration("rhel 9.3", "rhel 9.2", "correct"),
)


@lru_cache(maxsize=8)
def catalogue(folder: str) -> Catalogue:
    return read_directory(SAMPLE / folder)


def upstream(version: str) -> Subject:
    """The release as its catalogue tells it."""
    label = f"upstream {version}"
    return Subject(label, None, catalogue(f"qemu/{version}"), label)


def decided_upstream(version: str, alter: Callable[[Policy], Policy]) -> Subject:
    """The same as a policy that holds all its machine types, altered."""
    told = catalogue(f"qemu/{version}")
    names = [name for name, item in told.machine_types.items() if item.compat]
    label = f"upstream {version}"
    policy = Policy(
        "upstream",
        version,
        CatalogueRef(label, "0" * 64),
        machine_types=seeding.chained(told, names),
    )
    policy = alter(policy)
    return Subject(label, policy, rules.policy_catalogue(told, policy), label)


def rhel(version: str, alter: Callable[[Policy], Policy] = lambda policy: policy) -> Subject:
    """A RHEL release with the policy that its own arrays seed, altered."""
    base, stand_in = RHEL[version]
    arrays = catalogue(f"rhel/{version}").arrays
    versions = [found for found, _ in dated_arrays("rhel", arrays) if found >= (7, 6)]
    names = [f"pc-q35-rhel{major}.{minor}.0" for major, minor in versions]
    names.append("pc-i440fx-rhel7.6.0")
    own = {name: MachineType(name, compat=compose(name, arrays)) for name in names}
    told = overlay(
        catalogue(f"qemu/{stand_in or base}"), Catalogue("", machine_types=own, arrays=arrays)
    )
    policy = Policy(
        "rhel",
        version,
        CatalogueRef(f"upstream {stand_in or base}", "0" * 64),
        machine_types=seeding.chained(told, names),
        migrations=MIGRATIONS,
    )
    policy = alter(policy)
    return Subject(
        policy.label,
        policy,
        rules.policy_catalogue(told, policy),
        f"upstream {stand_in or base}",
        f"upstream {base}" if stand_in else "",
    )


def without(driver: str, name: str) -> Callable[[Policy], Policy]:
    """The entry taken from the newest machine type of each board that has it as its own."""

    def alter(policy: Policy) -> Policy:
        for item in policy.machine_types:
            kept = tuple(e for e in item.entries if (e.driver, e.property) != (driver, name))
            policy = policy.with_machine_type(replace(item, entries=kept))
        return policy

    return alter


def having_entry(version: str, driver: str, name: str) -> list[str]:
    """The machine types of an upstream release that have an entry of this property."""
    known = catalogue(f"qemu/{version}").machine_types.items()
    wanted = driver, name
    return [key for key, item in known if wanted in {(e.driver, e.property) for e in item.compat}]


def losing(version: str, machine_type: str, driver: str, name: str) -> Subject:
    """An upstream release of which one machine type lost its entries of this property."""

    def alter(policy: Policy) -> Policy:
        alone = tuple(
            replace(item, parent="", entries=policy.resolved(item.name))
            for item in policy.machine_types
        )
        kept = {
            item.name: tuple(e for e in item.entries if (e.driver, e.property) != (driver, name))
            for item in alone
            if item.name == machine_type
        }
        listed = tuple(replace(item, entries=kept.get(item.name, item.entries)) for item in alone)
        return replace(policy, machine_types=listed)

    return decided_upstream(version, alter)
