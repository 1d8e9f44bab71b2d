"""What a page's styles and scripts weigh on the wire."""

import gzip
import re
from pathlib import Path

from django.conf import settings
from django.template.loader import get_template

MOST = 250_000
#: What every page stands in, and what those of the administration site stand in besides.
FRAMES = ("document.html", "admin/base.html")
STATIC = Path(settings.BASE_DIR, "frontend/static")
_STATIC_TAG = re.compile(r"\{% static '([^']+\.(?:css|js))' %\}")
_IMPORT = re.compile(r'^import (?:[^"]* from )?"\./([^"]+)";', re.MULTILINE)


def loaded() -> set[Path]:
    """Every file that the pages' frames name, and every module that those import."""
    frames = [get_template(name).template.source for name in FRAMES]  # type: ignore[attr-defined]
    waiting = {STATIC / name for frame in frames for name in _STATIC_TAG.findall(frame)}
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        found.add(path)
        if path.suffix == ".js" and path.exists():
            imported = {path.parent / name for name in _IMPORT.findall(path.read_text())}
            waiting |= imported - found
    return found


def on_disk(path: Path) -> Path:
    if path.exists():
        return path
    return Path(settings.STATICFILES_DIRS[0][1], path.name)


def test_styles_and_scripts_are_light() -> None:
    files = {path: len(gzip.compress(on_disk(path).read_bytes(), 6)) for path in loaded()}
    assert STATIC / "js/keys.js" in files
    assert STATIC / "vendor/tabler.min.css" in files
    assert sum(files.values()) < MOST, sorted(files.items(), key=lambda item: -item[1])


def test_every_style_and_script_is_loaded() -> None:
    own = {path for folder in ("css", "js") for path in (STATIC / folder).glob("*.*s")}
    assert own <= loaded()
