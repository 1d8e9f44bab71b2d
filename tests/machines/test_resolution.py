"""The effective value of every property, with where it came from."""

from pathlib import Path

import pytest

from machines.catalogue import import_catalogue
from machines.emulator.catalogue import Catalogue
from machines.emulator.catalogue.answers import read_directory
from machines.emulator.qdev import Global
from machines.models import Release, Tree
from machines.resolution import UnknownName, resolve, resolve_in

SAMPLE = Path(__file__).parents[2] / "machines" / "sample"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_directory(SAMPLE / "qemu/7.2")


def test_a_type_default(catalogue: Catalogue) -> None:
    found = resolve_in(catalogue, "pc-q35-7.2", "virtio-rng-pci")["vectors"]
    assert (found.layer, found.matched_type) == ("default", "virtio-rng-pci-base")


def test_a_compat_entry_names_its_array(catalogue: Catalogue) -> None:
    found = resolve_in(catalogue, "pc-q35-6.0", "e1000")["init-vet"]
    assert (found.value, found.layer, found.origin) == ("off", "compat", "hw_compat_6_0")


def test_an_entry_on_an_ancestor_applies(catalogue: Catalogue) -> None:
    entry = Global("pci-device", "x-pcie-lnksta-dllla", "off", "policy", "rhel 9.2")
    found = resolve_in(catalogue, "pc-q35-7.2", "virtio-blk-pci", [entry])["x-pcie-lnksta-dllla"]
    assert (found.value, found.matched_type) == ("off", "pci-device")


def test_of_two_arrays_the_later_applied_wins(catalogue: Catalogue) -> None:
    found = resolve_in(catalogue, "pc-q35-2.4", "virtio-balloon-device")["qemu-4-0-config-size"]
    assert (found.value, found.origin) == ("false", "hw_compat_3_1")
    assert [entry.origin for entry in found.overridden] == ["hw_compat_4_0"]


def test_policy_and_user_come_after_the_machine_type(catalogue: Catalogue) -> None:
    policy = Global("e1000", "init-vet", "on", "policy", "rhel 9.2")
    user = Global("e1000", "init-vet", "off", "user", "command line")
    found = resolve_in(catalogue, "pc-q35-6.0", "e1000", (user, policy))["init-vet"]
    assert (found.value, found.layer) == ("off", "user")
    assert [entry.layer for entry in found.overridden] == ["compat", "policy"]


def test_unknown_names_are_said(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownName, match="no device type nothing"):
        resolve_in(catalogue, "pc-q35-7.2", "nothing")
    with pytest.raises(UnknownName, match="no machine type nothing"):
        resolve_in(catalogue, "nothing", "e1000")


@pytest.mark.django_db
def test_of_an_imported_release(catalogue: Catalogue) -> None:
    release = Release.objects.create(tree=Tree.objects.create(name="upstream"), version="7.2")
    import_catalogue(release, catalogue, source="test", user=None)
    assert resolve(release, "pc-q35-6.0", "e1000")["init-vet"].value == "off"
