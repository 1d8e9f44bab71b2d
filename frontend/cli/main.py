"""The command ``lockstep``: the names of all its commands, each loaded when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from frontend.cli.failures import INPUT, SERVER, CommandFailed
from machines.emulator.terminal import harmless

if TYPE_CHECKING:
    from frontend.cli.client import Client
    from frontend.cli.configuration import Configuration

PROGRAM = "lockstep"

#: Command → the module of :mod:`frontend.cli.commands` that has it, under the same name.
COMMANDS = {
    "bundle": "bundles",
    "change": "changes",
    "check": "offline",
    "compare": "comparing",
    "completion": "account",
    "decode": "offline",
    "diff": "comparing",
    "explain": "explaining",
    "findings": "findings",
    "import": "importing",
    "login": "account",
    "logout": "account",
    "matrix": "trials",
    "probe": "importing",
    "releases": "releases",
    "run": "offline",
    "search": "searching",
    "stream-diff": "offline",
    "trial": "offline",
    "trials": "trials",
    "whoami": "account",
}


class Asked:
    """What holds for one run: the answer's form, and the server, once a command wants it."""

    def __init__(self, site: str = "") -> None:
        self.json = False
        self.site = site

    @cached_property
    def configuration(self) -> Configuration:
        """Raises :class:`frontend.cli.failures.InputFailed`."""
        from frontend.cli import configuration

        return configuration.load(site=self.site)

    @cached_property
    def client(self) -> Client:
        """The server that is configured."""
        from frontend.cli.client import Client

        return Client(self.configuration)


def _want_json(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Asked).json = True


class Command(click.Command):
    """A command that answers in JSON where it is asked to."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        words = "Answer in JSON, as the REST API tells it."
        self.params.append(
            click.Option(
                ["--json"], is_flag=True, expose_value=False, callback=_want_json, help=words
            )
        )


class Group(click.Group):
    """Commands below a command."""

    command_class = Command
    group_class = type


class _All(Group):
    """Every command, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"frontend.cli.commands.{COMMANDS[cmd_name]}")
        found: click.Command = getattr(module, cmd_name.replace("-", "_") + "_command")
        return found


@click.group(PROGRAM, cls=_All, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--site", metavar="URL", default="", help="The server; else LOCKSTEP_SITE.")
@click.pass_context
def lockstep(context: click.Context, site: str) -> None:
    """Migration policies of QEMU downstreams, from the terminal.

    Exit status: 0 done or positive, 1 a negative answer, 2 usage or input at fault, 3 the server
    or the network failed.
    """
    context.ensure_object(Asked).site = site


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; tells the exit status. What went wrong is said on standard error."""
    asked = Asked()
    try:
        status = lockstep.main(
            args=None if arguments is None else list(arguments),
            prog_name=PROGRAM,
            standalone_mode=False,
            obj=asked,
        )
        sys.stdout.flush()
    except click.exceptions.Abort:
        sys.stderr.write("Stopped.\n")
        return 130
    except click.ClickException as error:
        error.show(sys.stderr)
        return INPUT
    except CommandFailed as error:
        sys.stderr.write(f"{harmless(str(error))}\n")
        return error.status
    except BrokenPipeError:
        # Whoever read the answer has seen enough; Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SERVER
    return status if isinstance(status, int) else 0
