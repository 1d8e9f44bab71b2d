#!/usr/bin/env python3
"""Django's command line."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "frontend.settings")
    from django.core.management import execute_from_command_line
    from django.db.utils import OperationalError, ProgrammingError

    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, ProgrammingError) as error:
        reason = str(error).strip()
        sys.exit(f"The database: {reason}. Is it there, and is `manage.py migrate` done?")
    except KeyboardInterrupt:
        # What was begun in a transaction is undone; the next start goes on from there.
        print("Stopped.", file=sys.stderr)  # noqa: T201 - there is no log yet
        sys.exit(130)
