"""The reference pages, held to the code that they describe."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from frontend.actions.changes import ACTIONS
from frontend.api.urls import urlpatterns
from frontend.cli import main as cli
from frontend.filters import AuditFilter, ChangeFilter, TrialFilter
from frontend.sign_in import provider
from machines.emulator.__main__ import main
from tests.conftest import ROOT

API = (ROOT / "docs/reference/api.md").read_text()
COMMANDS = (ROOT / "docs/reference/commands.md").read_text()
OURS = {name: app for name, app in get_commands().items() if app in ("policy", "workers")}


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one."""
    start = page.index(f"\n{heading}\n") + len(heading) + 2
    return re.split(r"\n#+ ", page[start:], maxsplit=1)[0]


def in_first_column(text: str) -> set[str]:
    """The names that the rows of a table are about."""
    cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def addresses() -> Iterator[tuple[str, str]]:
    """Method and address of everything that the API takes."""
    for pattern in urlpatterns:
        address = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        view = pattern.callback.view_class  # type: ignore[attr-defined]
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(view, method):
                yield method.upper(), f"/api/v1/{address}"


def test_every_address_of_the_api_has_its_heading_and_no_other_has() -> None:
    told = re.findall(r"^### ([A-Z]+) (\S+)$", API, re.MULTILINE)
    assert sorted(told) == sorted(addresses())


@pytest.mark.parametrize(
    ("heading", "filters"),
    [
        ("### GET /api/v1/changes/", ChangeFilter),
        ("### GET /api/v1/trials/", TrialFilter),
        ("### GET /api/v1/audit/", AuditFilter),
    ],
)
def test_the_filters_of_a_list_are_told(heading: str, filters: type) -> None:
    told = in_first_column(section(API, heading))
    assert told == set(filters.base_filters)  # type: ignore[attr-defined]


def test_the_actions_of_a_change_request_are_told() -> None:
    told = in_first_column(section(API, "### POST /api/v1/changes/{pk}/{action}/"))
    assert told == set(ACTIONS)


def test_every_make_target_is_told() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    told = in_first_column(section(COMMANDS, "## make"))
    assert told == {f"make {target}" for target in phony[1].split()}


def test_every_command_has_its_heading_and_no_other_has() -> None:
    told = re.findall(r"^### manage\.py (\w+)$", COMMANDS, re.MULTILINE)
    assert sorted(told) == sorted(OURS)


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_options_of_a_command_are_told(name: str) -> None:
    own = options(load_command_class(OURS[name], name)) - options(BaseCommand())
    told = in_first_column(section(COMMANDS, f"### manage.py {name}"))
    assert {option for option in told if option.startswith("--")} == {
        option.split()[0] for option in own
    }


def options(command: BaseCommand) -> set[str]:
    """Each with its value's name: Django has a ``--version`` too, without one."""
    text = command.create_parser("manage.py", "command").format_help()
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*(?: [A-Z]+)?", text))


@pytest.mark.parametrize("command", ["decode", "diff", "trial", "check", "run"])
def test_the_options_of_the_emulator_are_told(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    own = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out)) - {"--help"}
    rows = re.findall(rf"^\| `{command}[ `].*$", section(COMMANDS, "## The emulator"), re.MULTILINE)
    assert rows
    assert set(re.findall(r"--[a-z][a-z-]*", "".join(rows))) == own


def test_every_variable_that_the_settings_read_is_told() -> None:
    source = (ROOT / "frontend/settings.py").read_text()
    read = set(re.findall(r'(?:environ\.get|_flag|_listed)\(\s*"([A-Z_]+)"', source))
    assert {"DATABASE_URL", "REDIS_URL", "LOCKSTEP_VAR", "LOCKSTEP_DEBUG"} <= read
    read |= {provider.PREFIX + name for name in provider.NAMES}
    told = in_first_column(section(COMMANDS, "## Environment variables"))
    elsewhere = {"LOCKSTEP_SAMPLE", "LOCKSTEP_SCREENSHOTS", "PORT"}
    assert told == read | elsewhere


def test_every_command_of_the_command_line_is_told_and_no_other_is() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text()
    told = {cell.split()[0] for cell in in_first_column(section(page, "## Commands"))}
    assert told == set(cli.COMMANDS)
    for name in ("change", "bundle"):
        group = cli.lockstep.get_command(click.Context(cli.lockstep), name)
        assert isinstance(group, click.Group)
        cells = in_first_column(section(page, f"### {name}"))
        assert {cell.split()[1] for cell in cells} == set(group.commands)
