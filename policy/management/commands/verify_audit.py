"""``manage.py verify_audit``: prove that the audit trail is as it was written."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from policy import audit
from policy.models import AuditEntry


class Command(BaseCommand):
    help = "Checks the hash chain of the audit trail. Exit status 1 where it does not hold."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--contains",
            metavar="HASH",
            help="a newest hash that was noted earlier: fails if that entry is gone",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        problems = [str(problem) for problem in audit.verify()]
        noted = options["contains"]
        if noted and not AuditEntry.objects.filter(hash=noted).exists():
            problems.append(f"the entry {noted} is gone: the end of the chain was cut off")
        if problems:
            raise CommandError("The audit trail was tampered with.\n" + "\n".join(problems))
        count = AuditEntry.objects.count()
        self.stdout.write(f"{count} entries, the chain holds. Newest: {audit.head()}")
