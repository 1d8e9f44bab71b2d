"""Who you are to the server; and completion, which a shell asks for."""

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class

from frontend.cli import configuration, output
from frontend.cli.client import Client
from frontend.cli.configuration import Configuration
from frontend.cli.failures import InputFailed
from frontend.cli.main import PROGRAM, Asked, Command, lockstep


@click.command("login", cls=Command)
@click.argument("site", required=False)
@click.pass_obj
def login_command(asked: Asked, site: str | None) -> None:
    """Keep a token for SITE in the configuration file.

    Issue the token on the page My settings → Tokens. It is asked for, or read from a pipe.
    """
    chosen = configuration.checked_site(site or asked.configuration.site)
    token = _token(chosen)
    me = Client(Configuration(chosen, token)).get("me/")
    target = configuration.path()
    configuration.save(Configuration(chosen, token), target)
    if asked.json:
        output.as_json(me)
    else:
        output.line(f"{me['username']} on {chosen}; the token is kept in {target}.")


def _token(site: str) -> str:
    if sys.stdin.isatty():
        output.aside(f"Issue a token at {site}/accounts/tokens/")
        found = str(click.prompt("Token", hide_input=True, err=True))
    else:
        found = sys.stdin.readline(1000)
    if not found.strip():
        raise InputFailed("No token was given.")
    return found.strip()


@click.command("logout", cls=Command)
@click.pass_obj
def logout_command(asked: Asked) -> None:
    """Revoke the token that is kept, and forget it."""
    kept = configuration.path()
    if not kept.exists() or not asked.configuration.token:
        raise InputFailed("No token is kept.")
    me = asked.client.get("me/")
    asked.client.delete(f"tokens/{me['token']['id']}/")
    configuration.save(Configuration(asked.configuration.site, ""), kept)
    if asked.json:
        output.as_json({"revoked": me["token"]["name"]})
    else:
        output.line(f"The token “{me['token']['name']}” is revoked.")


@click.command("whoami", cls=Command)
@click.pass_obj
def whoami_command(asked: Asked) -> None:
    """Tell your name, your roles, and what the token may do."""
    me = asked.client.get("me/")
    if asked.json:
        output.as_json(me)
        return
    token = me["token"] or {}
    output.facts(
        [
            ("site", asked.client.site),
            ("name", me["username"]),
            ("roles", ", ".join(f"{item['role']} of {item['tree']}" for item in me["roles"])),
            ("token", token.get("name")),
            ("scopes", ", ".join(token.get("scopes", ()))),
            ("until", token.get("expires")),
        ]
    )


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh"]))
def completion_command(shell: str) -> None:
    """Print what makes SHELL complete commands: put it into its startup file."""
    kind = get_completion_class(shell)
    if kind is None:
        raise InputFailed(f"There is no completion for {shell}.")
    output.line(kind(lockstep, {}, PROGRAM, "_LOCKSTEP_COMPLETE").source())
