"""Runs pytest on a real PostgreSQL that exists for this run alone.

python tests/on_postgresql.py -m database
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pgserver

#: What makes data outlast a power cut, which this database need not: emptying all tables after each
#: test of the workers would wait for the disk, table by table.
FORGETFUL = """
ALTER SYSTEM SET fsync = off;
ALTER SYSTEM SET synchronous_commit = off;
ALTER SYSTEM SET full_page_writes = off;
SELECT pg_reload_conf();
"""

with tempfile.TemporaryDirectory(prefix="lockstep-postgresql-") as folder:
    # PostgreSQL refuses to run as root: pgserver runs it as a user who must reach the folder.
    Path(folder).chmod(0o755)
    with pgserver.get_server(Path(folder) / "data", cleanup_mode="delete") as server:
        server.psql(FORGETFUL)
        environment = os.environ | {"DATABASE_URL": server.get_uri()}
        command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
        status = subprocess.run(command, env=environment, check=False).returncode
sys.exit(status)
