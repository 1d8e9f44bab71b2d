"""``manage.py probe_qemu BINARY --tree upstream``: import what a QEMU binary says of itself."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from machines.emulator.catalogue import CatalogueError
from machines.probe import probe
from workers.importing import ImportCommand, read_files, release_of


class Command(ImportCommand):
    help = "Import a release straight from a QEMU binary: start it, ask it over QMP, dump."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("binary", type=Path, help="such as /usr/bin/qemu-system-x86_64")
        parser.add_argument("--version", default="", help="default: what the binary says, as 10.0")

        parser.add_argument(
            "--compat",
            type=Path,
            nargs="+",
            default=[],
            metavar="FILE",
            help="C sources, patches or compat.json with its arrays (QEMU before 9.1 tells none)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        binary = Path(options["binary"])
        try:
            sources = read_files([Path(path) for path in options["compat"]])
            result = probe(binary, self._progress(options["verbosity"]), sources)
            version = options["version"] or result.version
            if not version:
                raise CommandError("The binary tells no version: give one with --version.")
            self.import_into(release_of(options, version), result.catalogue, source=str(binary))
        except CatalogueError as error:
            raise CommandError(str(error)) from error

    def _progress(self, verbosity: int) -> Any:
        def show(done: int, total: int, text: str) -> None:
            if verbosity > 1 or (verbosity and done % 100 == 0):
                self.stdout.write(f"  {done} of {total} drivers asked {text}".rstrip())

        return show
