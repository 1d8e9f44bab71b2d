"""The verifying command as one file: a zip archive that Python runs, of nothing but these modules.

A package build keeps it beside the keys and runs ``python3 lockstep-verify.pyz`` in ``%check``.
The same sources give the same bytes.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from functools import lru_cache
from pathlib import Path

NAME = "lockstep-verify.pyz"
_ROOT = Path(__file__).resolve().parents[2]
_LISTING = (
    "import sys; import policy.packing.verifying;"
    "print(*sorted(n for n in sys.modules if n.partition('.')[0] in ('policy', 'machines')))"
)
_MAIN = "import sys\n\nfrom policy.packing.verifying import main\n\nsys.exit(main())\n"
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can tell


@lru_cache(maxsize=1)
def archive() -> bytes:
    """The file's bytes."""
    written = io.BytesIO(b"#!/usr/bin/env python3\n")
    written.seek(0, io.SEEK_END)
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        _add(packed, "__main__.py", _MAIN.encode())
        for path in sources():
            _add(packed, path, (_ROOT / path).read_bytes())
    return written.getvalue()


def sources() -> list[str]:
    """The files that verifying needs, below the project's folder: what it imports, and its data."""
    listed = subprocess.run(
        [sys.executable, "-c", _LISTING], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    found = {"policy/exporters/policy.schema.json"}
    for module in listed.stdout.split():
        path = module.replace(".", "/")
        is_package = (_ROOT / path).is_dir()
        found.add(f"{path}/__init__.py" if is_package else f"{path}.py")
    return sorted(found)


def _add(packed: zipfile.ZipFile, path: str, content: bytes) -> None:
    member = zipfile.ZipInfo(path, _DATE)
    member.external_attr = 0o644 << 16
    member.compress_type = zipfile.ZIP_DEFLATED
    packed.writestr(member, content)
