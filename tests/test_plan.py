"""The plan of the house is true: docs/architecture.md, and what a room says of itself."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
#: What every Django application has, and what is no code.
COMMON = {"__init__", "__main__", "admin", "apps", "management", "migrations", "static", "sample"}
FLOORS = ("machines", "machines/emulator", "policy", "workers", "frontend")
ROOMS = (
    "machines",
    "machines/c_arrays",
    "machines/emulator",
    "machines/emulator/catalogue",
    "machines/emulator/devices",
    "machines/emulator/monitor",
    "machines/emulator/monitor/commands",
    "workers",
    "workers/large",
    "frontend/actions",
    "frontend/api",
    "frontend/bulk",
    "frontend/cli",
    "frontend/downloads",
    "frontend/lists",
    "frontend/questions",
    "frontend/searching",
    "frontend/sign_in",
    "frontend/views/change_tabs",
    "policy",
    *sorted(
        str(path.parent.relative_to(ROOT))
        for path in ROOT.glob("policy/*/__init__.py")
        if path.parent.name not in COMMON
    ),
)


def names(folder: str) -> set[str]:
    """The modules and rooms in a folder."""
    found = {
        path.stem
        for path in (ROOT / folder).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    return found - COMMON


@pytest.mark.parametrize("folder", FLOORS)
def test_the_plan_names_every_room(folder: str) -> None:
    told = (ROOT / "docs/architecture.md").read_text()
    quoted = {word.rstrip("/").rpartition("/")[2] for word in re.findall(r"`([\w/]+)`", told)}
    assert sorted(names(folder) - quoted) == []


@pytest.mark.parametrize("folder", ROOMS)
def test_a_room_tells_what_is_in_it(folder: str) -> None:
    said = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text())) or ""
    assert sorted(names(folder) - set(re.findall(r"\w+", said))) == []


def test_the_plan_names_nothing_that_is_not_there() -> None:
    told = (ROOT / "docs/architecture.md").read_text()
    paths = re.findall(r"`((?:machines|policy|workers|frontend|tests|docs)/[\w/.]*)`", told)
    assert [path for path in paths if not (ROOT / path).exists()] == []
