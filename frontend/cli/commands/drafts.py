"""Writing in a change request's draft: operations, a whole policy file, what a finding proposes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TextIO

import click

from frontend.cli import output, telling
from frontend.cli.failures import DONE, NEGATIVE, InputFailed
from frontend.cli.main import Asked, Command

#: What the server takes at once (``policy.edits.operations``) is far below this, in characters.
_LONGEST = 8 * 2**20


def _merged(take: Callable[..., Any]) -> Callable[..., Any]:
    """The options of an edit that may be merged with what others have edited meanwhile."""
    words = "The version that it was made from; else the last."
    take = click.option("--version", type=int, help=words)(take)
    words = "Which side, or which other value, stays where others changed the same."
    take = click.option(
        "--choose",
        type=(str, str),
        multiple=True,
        metavar="PATH mine|theirs|=VALUE",
        help=words,
    )(take)
    words = "The version that the sides were chosen against."
    return click.option("--against", type=int, help=words)(take)


def _settled(
    asked: Asked,
    number: int,
    version: int | None,
    choose: tuple[tuple[str, str], ...],
    against: int | None,
) -> dict[str, Any]:
    """What an edit says of the versions that it was made from, and of conflicts."""
    given: dict[str, Any] = {"lock_version": version or last_version(asked, number)}
    if choose:
        current = against or last_version(asked, number)
        chosen = {path: _side(path, said) for path, said in choose}
        given |= {"choices": chosen, "current_version": current}
    return given


def _side(path: str, said: str) -> Any:
    if said in ("mine", "theirs"):
        return said
    if said.startswith("="):
        return {"value": said[1:]}
    raise InputFailed(f"--choose {path}: mine, theirs or =VALUE, not '{said}'.")


def last_version(asked: Asked, number: int) -> int:
    """The draft's version as it is now."""
    return int(asked.client.get(f"changes/{number}/")["lock_version"])


# --- A list of operations -------------------------------------------------------------------------


@click.command("edit", cls=Command)
@click.argument("number", type=int)
@click.argument("file", type=click.File("r"))
@click.option("--dry-run", "is_tried", is_flag=True, help="Only tell what they would do.")
@_merged
@click.pass_obj
def edit(
    asked: Asked,
    number: int,
    file: TextIO,
    is_tried: bool,
    version: int | None,
    choose: tuple[tuple[str, str], ...],
    against: int | None,
) -> int:
    """Make the operations of FILE (JSON, - for standard input): all of them, or none.

    FILE is a list such as [{"op": "remove-backport", "feature": "scsi-pr"}]. With --dry-run the
    exit status is 1 where one of them cannot be made as the draft is now.
    """
    wanted = _operations(file)
    if is_tried:
        seen = version or last_version(asked, number)
        given = {"operations": wanted, "lock_version": seen}
        return _tell_tried(asked, asked.client.ask(f"changes/{number}/edits/preview/", given))
    given = {"operations": wanted, **_settled(asked, number, version, choose, against)}
    _tell_edited(asked, asked.client.post(f"changes/{number}/edits/", given))
    return DONE


def _operations(file: TextIO) -> list[Any]:
    """The list in a file, or in its member ``operations``, as the REST API takes both."""
    text = file.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise InputFailed(f"{file.name}: longer than {_LONGEST // 2**20} MiB.")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputFailed(f"{file.name}: {place}: {error.msg}.") from error
    except RecursionError as error:
        raise InputFailed(f"{file.name}: nests too deep.") from error
    if isinstance(found, dict) and set(found) == {"operations"}:
        found = found["operations"]
    if not isinstance(found, list):
        raise InputFailed(f"{file.name}: not a list of operations.")
    return found


def _tell_edited(asked: Asked, found: dict[str, Any]) -> None:
    if asked.json:
        output.as_json(found)
        return
    output.facts(
        [
            ("status", found["status"]),
            ("digest", found["digest"]),
            ("version", found["lock_version"]),
            ("merged with edits of", ", ".join((found["meanwhile"] or {}).get("people", ()))),
        ]
    )
    telling.differences(found["differences"])


def _tell_tried(asked: Asked, found: dict[str, Any]) -> int:
    if asked.json:
        output.as_json(found)
    else:
        for at, row in enumerate(found["rows"]):
            said = f"{row['field']}: {row['problem']}" if row["problem"] else ""
            output.line(f"{at} {row['op']}: {said or _effect(row)}")
        telling.differences(found["differences"])
        for item in found["conflicts"]:
            output.line(f"changed by others too: {item['label']} ({item['path']})")
        for sign, side in (("+", "appearing"), ("-", "going")):
            for item in found[side]:
                output.line(f"{sign} {item['severity']}: {item['text']}")
    refused = found["conflicts"] or any(row["problem"] for row in found["rows"])
    return NEGATIVE if refused else DONE


def _effect(row: dict[str, Any]) -> str:
    return "can be made" if row["changes"] else "changes nothing"


# --- A whole policy, and what a finding proposes --------------------------------------------------


@click.command("put", cls=Command)
@click.argument("number", type=int)
@click.argument("file", type=click.File("r"))
@_merged
@click.pass_obj
def put(
    asked: Asked,
    number: int,
    file: TextIO,
    version: int | None,
    choose: tuple[tuple[str, str], ...],
    against: int | None,
) -> None:
    """Put a policy file (JSON or YAML, - for standard input) in the draft's place."""
    given = {"file": file.read(), **_settled(asked, number, version, choose, against)}
    telling.change(asked, asked.client.put(f"changes/{number}/policy/", given))


@click.command("apply", cls=Command)
@click.argument("number", type=int)
@click.argument("finding")
@click.option("--proposal", default=1, show_default=True, help="Which of its proposals, from 1.")
@click.pass_obj
def apply(asked: Asked, number: int, finding: str, proposal: int) -> None:
    """Make the edit that FINDING proposes (its id, as `findings --json` tells it)."""
    given = {"number": proposal - 1, "lock_version": last_version(asked, number)}
    address = f"changes/{number}/findings/{finding}/apply/"
    telling.change(asked, asked.client.post(address, given))


@click.command("waive", cls=Command)
@click.argument("number", type=int)
@click.argument("finding")
@click.option("--reason", required=True, help="Why it may stay; a reviewer reads it.")
@click.option("--until", required=True, metavar="DATE", help="The last day, as 2027-01-31.")
@click.pass_obj
def waive(asked: Asked, number: int, finding: str, reason: str, until: str) -> None:
    """Accept FINDING for a while, in every direction that it concerns."""
    given = {"reason": reason, "expires": until, "lock_version": last_version(asked, number)}
    address = f"changes/{number}/findings/{finding}/waive/"
    telling.change(asked, asked.client.post(address, given))


#: Commands of ``lockstep change``.
COMMANDS = (edit, put, apply, waive)
