"""Change requests: read, opened, reviewed, published; their drafts are written in by others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from frontend.cli import output, telling
from frontend.cli.commands import drafts
from frontend.cli.failures import DONE, NEGATIVE, InputFailed
from frontend.cli.main import Asked, Group
from frontend.cli.naming import RELEASE, label

#: How a required trial may stand that still goes on.
_GOING = frozenset({"not-run", "running"})
_SHORTEST_DIGEST = 8


@click.group("change", cls=Group)
def change_command() -> None:
    """Change requests: opened, edited, tried, reviewed, published."""


for _command in drafts.COMMANDS:
    change_command.add_command(_command)


# --- Reading --------------------------------------------------------------------------------------


@change_command.command("list")
@click.option("--status", default="open", help="open (the default), draft, submitted, … or any.")
@click.option("--tree", default="", help="Only this tree's.")
@click.option("--mine", is_flag=True, help="Only those that you opened.")
@click.pass_obj
def list_changes(asked: Asked, status: str, tree: str, mine: bool) -> None:
    """List change requests, the newest first."""
    chosen = "" if status == "any" else status
    found = asked.client.all("changes/", status=chosen, tree=tree, mine=mine or None)
    if asked.json:
        output.as_json(found)
        return
    rows = [
        (f"#{item['id']}", item["release"], item["status"], item["author"], item["title"])
        for item in found
    ]
    output.table(("", "release", "status", "author", "title"), rows, "No change requests.")


@change_command.command("show")
@click.argument("number", type=int)
@click.pass_obj
def show(asked: Asked, number: int) -> None:
    """Tell about a change request: what it changes, and what is in its way."""
    telling.change(asked, asked.client.get(f"changes/{number}/"))


@change_command.command("policy")
@click.argument("number", type=int)
@click.option("--yaml", is_flag=True, help="As YAML, for keeping it in git.")
@click.option("--output", "-o", "target", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def policy(asked: Asked, number: int, yaml: bool, target: Path | None) -> None:
    """Print the draft as a policy file, which `put` takes back."""
    found = asked.client.get(f"changes/{number}/")
    text = _yaml(found["policy"]) if yaml else json.dumps(found["policy"], indent=2) + "\n"
    if target is None:
        output.file(text.rstrip("\n"))
    else:
        _write(target, text)
    seen = found["lock_version"]
    output.aside(f"To hand it back: lockstep change put {number} FILE --version {seen}")


def _yaml(document: Any) -> str:
    from policy.document import from_json
    from policy.exporters import yaml

    return yaml.export(from_json(document))


def _write(target: Path, text: str) -> None:
    try:
        target.write_text(text)
    except OSError as error:
        raise InputFailed(f"{target}: {error.strerror}") from error


# --- Writing --------------------------------------------------------------------------------------


@change_command.command("open")
@click.argument("release", type=RELEASE)
@click.option("--title", "-t", required=True, help="What changes, in one line.")
@click.option("--description", "-d", default="", help="Why, and what a reviewer should know.")
@click.option("--revert", type=int, help="Bring this older revision back.")
@click.pass_obj
def open_change(
    asked: Asked, release: tuple[str, str], title: str, description: str, revert: int | None
) -> None:
    """Open a change request on RELEASE."""
    given: dict[str, Any] = {"release": label(release), "title": title, "description": description}
    if revert is not None:
        given["reverts_to"] = revert
    telling.change(asked, asked.client.post("changes/", given))


# --- Review ---------------------------------------------------------------------------------------


def _action(name: str, words: str) -> Callable[..., None]:
    """A command that does something with a change request, and needs no more than its number."""

    @change_command.command(name, help=words)
    @click.argument("number", type=int)
    @click.option("--message", "-m", default="", help="A comment.")
    @click.pass_obj
    def act(asked: Asked, number: int, message: str) -> None:
        telling.change(asked, asked.client.post(f"changes/{number}/{name}/", {"text": message}))

    return act


_action("submit", "Submit it for review.")
_action("comment", "Comment on it (with --message).")
_action("withdraw", "Withdraw it.")


def _vote(name: str, words: str) -> Callable[..., None]:
    """A vote, which names the content that was read."""

    @change_command.command(name, help=words)
    @click.argument("number", type=int)
    @click.argument("digest")
    @click.option("--message", "-m", default="", help="What you say with it.")
    @click.pass_obj
    def act(asked: Asked, number: int, digest: str, message: str) -> None:
        whole = _whole_digest(asked, number, digest)
        given = {"digest": whole, "text": message}
        telling.change(asked, asked.client.post(f"changes/{number}/{name}/", given))

    return act


_vote("approve", "Approve the content DIGEST, as `show` and `diff` tell it (8 digits or more).")
_vote("request-changes", "Say that the content DIGEST has to be changed.")


def _whole_digest(asked: Asked, number: int, given: str) -> str:
    present: str = asked.client.get(f"changes/{number}/")["digest"]
    if len(given) < _SHORTEST_DIGEST:
        raise InputFailed(f"Give at least {_SHORTEST_DIGEST} digits of the digest.")
    if not present.startswith(given.lower()):
        raise InputFailed(f"The draft is another by now: {present[:12]}. Read it first.")
    return present


@change_command.command("ask")
@click.argument("number", type=int)
@click.argument("reviewer")
@click.pass_obj
def ask(asked: Asked, number: int, reviewer: str) -> None:
    """Ask REVIEWER (a login name) to review it."""
    telling.change(
        asked, asked.client.post(f"changes/{number}/request-review/", {"reviewer": reviewer})
    )


@change_command.command("publish")
@click.argument("number", type=int)
@click.pass_obj
def publish(asked: Asked, number: int) -> None:
    """Publish it: a revision is made, and its bundle is built."""
    telling.change(asked, asked.client.post(f"changes/{number}/publish/"))


# --- Trials ---------------------------------------------------------------------------------------


@change_command.command("trials")
@click.argument("number", type=int)
@click.option("--run", is_flag=True, help="Run those that are missing.")
@click.option("--wait", is_flag=True, help="Wait until none of them goes on.")
@click.pass_obj
def trials(asked: Asked, number: int, run: bool, wait: bool) -> int:
    """List the trials that it needs; exit status 1 unless all of them passed."""
    if run:
        found = asked.client.post(f"changes/{number}/run-trials/")
    else:
        found = asked.client.get(f"changes/{number}/")
    if wait:
        found = _ended(asked, number, found)
    if asked.json:
        output.as_json(found["trials"])
    else:
        rows = [
            (
                item["standing"],
                item["source"],
                item["destination"],
                item["machine_type"],
                item["expected"],
                item["problem"],
            )
            for item in found["trials"]
        ]
        columns = ("standing", "from", "to", "machine type", "expected", "")
        output.table(columns, rows, "It needs no trials.")
    held = {"passed", "waived"}
    return DONE if all(item["standing"] in held for item in found["trials"]) else NEGATIVE


def _ended(asked: Asked, number: int, found: dict[str, Any]) -> dict[str, Any]:
    with output.bar("Trials") as told:
        while True:
            going = sum(item["standing"] in _GOING for item in found["trials"])
            total = len(found["trials"])
            told(total - going, total, "Trials")
            if not going:
                return found
            time.sleep(1)
            found = asked.client.get(f"changes/{number}/")
