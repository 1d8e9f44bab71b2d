"""``manage.py signing_key``: the public keys by which downloads are checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from policy.errors import PolicyError
from policy.models import SigningKey
from policy.publishing import signing


class Command(BaseCommand):
    help = "Publishes, retires or lists the public keys of bundles. Never give it a private key."

    def add_arguments(self, parser: CommandParser) -> None:
        does = parser.add_subparsers(dest="does", required=True)
        does.add_parser("add", help="publish a public key").add_argument("file")
        retire = does.add_parser("retire", help="it signs nothing more; old signatures count on")
        retire.add_argument("fingerprint")
        does.add_parser("list", help="which there are")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["does"] == "add":
                signing.add_key(Path(options["file"]).read_bytes(), None)
            elif options["does"] == "retire":
                signing.retire_key(options["fingerprint"], None)
        except (OSError, PolicyError) as error:
            raise CommandError(str(error)) from error
        for key in SigningKey.objects.all():
            retired = f"retired {key.retired_at:%Y-%m-%d}" if key.retired_at else "in use"
            self.stdout.write(f"{key.fingerprint}  {retired}  {key.owner}")
