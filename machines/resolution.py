"""The effective value of every property of a device, on a release and machine type.

    found = resolve(release, "pc-q35-7.2", "virtio-net-pci")
    found["vectors"].value, found["vectors"].origin     # "3", "hw_compat_7_2"

The layers are those of :mod:`machines.emulator.qdev`: type default, then the machine type's compat
entries on the driver or any of its ancestors, then the further entries that a caller brings (a
downstream's policy, a user's options).
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from machines.catalogue import effective_catalogue
from machines.emulator import qdev
from machines.emulator.catalogue import Catalogue
from machines.emulator.qdev import Global, Resolved
from machines.models import Release

__all__ = ["Global", "Resolved", "UnknownName", "machine_type_globals", "resolve", "resolve_in"]


class UnknownName(LookupError):
    """The release has no such machine type or device type."""


def resolve(
    release: Release, machine_type: str, driver: str, further: Sequence[Global] = ()
) -> dict[str, Resolved]:
    """Property name → effective value and origin, sorted by name.

    Raises :class:`UnknownName`, or :class:`machines.catalogue.NoCatalogue`.
    """
    catalogue, _source = effective_catalogue(release)
    return resolve_in(catalogue, machine_type, driver, further)


def resolve_in(
    catalogue: Catalogue, machine_type: str, driver: str, further: Sequence[Global] = ()
) -> dict[str, Resolved]:
    """The same in a given catalogue. Raises :class:`UnknownName`."""
    if driver not in catalogue.types and driver not in catalogue.properties:
        raise UnknownName(_("There is no device type %(name)s.") % {"name": driver})
    entries = [*machine_type_globals(catalogue, machine_type), *further]
    return dict(sorted(qdev.resolve(catalogue, driver, entries).items()))


def machine_type_globals(catalogue: Catalogue, machine_type: str) -> tuple[Global, ...]:
    """The compat entries of a machine type in order, each naming its array where that is known."""
    found = catalogue.machine_types.get(machine_type)
    if found is None:
        raise UnknownName(_("There is no machine type %(name)s.") % {"name": machine_type})
    return qdev.compat_globals(found.compat, machine_type)
