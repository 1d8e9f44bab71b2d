"""``manage.py import_release --tree upstream --version 10.0 PATH…``: import what QEMU printed."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from machines import parsing
from machines.emulator.catalogue import Catalogue, CatalogueError
from workers.importing import ImportCommand, read_files, release_of


class Command(ImportCommand):
    help = (
        "Import a release from a folder of vmstate, machines, types, properties, version and "
        "compat files (.json or .json.xz) and C sources or patches with GlobalProperty arrays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--version", required=True, help="such as 10.0")
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a folder or files")

    def handle(self, *args: Any, **options: Any) -> None:
        paths: list[Path] = [Path(path) for path in options["paths"]]
        try:
            # Read first: a release is not made for files that are none.
            catalogue = _read(paths)
            release = release_of(options, options["version"])
            self.import_into(release, catalogue, source=", ".join(map(str, paths)))
        except CatalogueError as error:
            raise CommandError(str(error)) from error


def _read(paths: list[Path]) -> Catalogue:
    if len(paths) == 1 and paths[0].is_dir():
        return parsing.parse_directory(paths[0])
    return parsing.parse(read_files(paths))
