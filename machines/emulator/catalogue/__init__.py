"""What one QEMU release is, as plain data: its types, properties, sections and machine types.

A catalogue is read from the files that a release's own commands print and from the
``GlobalProperty`` arrays of its C sources. Nothing here knows a database: a package build or a
CI job reads a folder of files and works with it.

    >>> from machines.emulator.catalogue.answers import read_directory
    >>> catalogue = read_directory(Path("catalogues/qemu/10.0"))     # doctest: +SKIP
    >>> catalogue.types["virtio-rng-pci"]                              # doctest: +SKIP
    'virtio-rng-pci-base-type'

=====================  ===========================================================================
:mod:`values`          what a catalogue consists of; the names that this package shows
:mod:`files`           the files of a folder: found, unpacked, read as JSON
:mod:`answers`         what QEMU's commands print, as a catalogue
:mod:`descriptions`    VMState descriptions as a dump has them, both ways
:mod:`properties`      property lists, both ways, and the type that declares each
:mod:`composition`     a machine type's entries, composed of the arrays of the C sources
:mod:`stored`          a catalogue as one document, both ways
:mod:`overlay`         a downstream on its base
:mod:`checks`          what a text or a number may be; the error that names the place
=====================  ===========================================================================
"""

from machines.emulator.catalogue.checks import CatalogueError
from machines.emulator.catalogue.values import (
    Catalogue,
    CompatProperty,
    Description,
    Field,
    MachineType,
    PropertyInfo,
)

__all__ = [
    "Catalogue",
    "CatalogueError",
    "CompatProperty",
    "Description",
    "Field",
    "MachineType",
    "PropertyInfo",
]
