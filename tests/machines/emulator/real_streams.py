"""Where the real streams of the tests are: a committed selection, and all of them where present."""

import json
import lzma
import os
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
SELECTION = REPOSITORY / "tests" / "data"
CATALOGUES = REPOSITORY / "machines" / "sample" / "qemu"
SHARED = Path(os.environ.get("LOCKSTEP_SHARED", REPOSITORY.parent / "shared" / "data"))


def stream_files(root: Path = SELECTION) -> list[Path]:
    return sorted(root.rglob("*.mig.xz"))


def real_bytes(config: str, release: str = "10.0") -> bytes:
    path = SELECTION / "streams" / release / "pc-q35-7.2" / f"{config}.mig.xz"
    return lzma.decompress(path.read_bytes())


def cases(root: Path) -> list[dict[str, Any]]:
    with (root / "cases.jsonl").open() as lines:
        return [json.loads(line) for line in lines]
