"""A whole draft at once: from a file, or from a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from policy import drafts
from policy.document import DocumentError, Policy, files, from_json, waivers
from policy.document.merging import entries_of
from policy.errors import Invalid
from policy.exporters import formats
from policy.inputs import base_of, check_label, check_values
from policy.models import ChangeRequest
from policy.review import checking

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Lists of a policy, and the field in which each of their things says why it is there.
_EXPLAINED = {
    "backports": "justification",
    "overrides": "justification",
    "mitigations": "reason",
    "waivers": "reason",
}


def replace_policy(
    change: ChangeRequest,
    actor: User,
    seen_version: int,
    document: Any,
    settled: drafts.Settled | None = None,
) -> ChangeRequest:
    """Put a whole policy document in the draft's place, or nothing of it.

    ``document`` was made from the draft at ``seen_version``; where others have edited since, it is
    merged as any edit is. The release and the catalogue that the policy stands on cannot be changed
    so. Raises what every edit raises, Invalid with the path of the first entry at fault.
    """
    mine = read(document)

    def alter(seen: Policy) -> Policy:
        _check_same_release(seen, mine)
        _check_contents(seen, mine)
        return mine

    return drafts.rewrite(change, actor, seen_version, "replace policy", alter, settled)


def import_policy(
    change: ChangeRequest,
    actor: User,
    seen_version: int,
    text: str,
    settled: drafts.Settled | None = None,
) -> ChangeRequest:
    """:func:`replace_policy` with the text of a file, YAML or JSON.

    Raises Invalid (field ``file``) that names the line and the path of the first fault.
    """
    try:
        found = files.read(text)
    except files.FileError as error:
        raise Invalid(f"The file, {error}.", field="file") from error
    try:
        return replace_policy(change, actor, seen_version, found.document, settled)
    except Invalid as error:
        if not error.field.startswith("policy"):
            raise
        raise Invalid(f"Line {found.line_of(error.field)}: {error}.", field="file") from error


def read(document: Any) -> Policy:
    """A policy from its JSON form. Raises Invalid; ``field`` is the path of what is at fault."""
    check_values(document, "policy")
    try:
        return from_json(document)
    except DocumentError as error:
        raise Invalid(str(error), field=error.path) from error


def _check_same_release(present: Policy, mine: Policy) -> None:
    if mine.label != present.label:
        raise Invalid(
            f"policy.release: is {mine.label}, this is {present.label}", field="policy.release"
        )
    if mine.base != present.base:
        raise Invalid(
            "policy.base: the catalogue follows from what is imported, not from a file",
            field="policy.base",
        )


def _check_contents(present: Policy, mine: Policy) -> None:
    """What a document alone cannot tell: releases that must be known, values that must be written.

    What is in the draft already is let be: it came from the release's own sources.
    """
    base_of(mine)
    _check_explained(present, mine)
    _check_waivers(present, mine)
    known = {entry for _, entry in entries_of(present)}
    for number, item in enumerate(mine.migrations):
        path = f"policy.migrations[{number}]"
        if mine.label not in {item.source, item.destination}:
            raise Invalid(f"{path}.source: one of the two has to be {mine.label}", field=path)
        for name, label in (("source", item.source), ("destination", item.destination)):
            try:
                check_label(label, name)
            except Invalid as error:
                raise Invalid(f"{path}.{name}: {error}", field=f"{path}.{name}") from error
    for number, machine_type in enumerate(mine.machine_types):
        new = [entry for entry in machine_type.entries if entry not in known]
        if problems := formats.problems(new):
            path = f"policy.machine_types[{number}].entries"
            raise Invalid(f"{path}: {problems[0]}", field=path)
    for number, mitigation in enumerate(mine.mitigations):
        new = [entry for entry in mitigation.entries if entry not in known]
        if problems := formats.problems(new):
            path = f"policy.mitigations[{number}].entries"
            raise Invalid(f"{path}: {problems[0]}", field=path)


def _check_explained(present: Policy, mine: Policy) -> None:
    """What a reviewer has to judge says why, as it does where it is typed."""
    for name, field in _EXPLAINED.items():
        for number, item in enumerate(getattr(mine, name)):
            if not getattr(item, field).strip() and item not in getattr(present, name):
                path = f"policy.{name}[{number}].{field}"
                raise Invalid(f"{path}: say why: a reviewer has to judge it", field=path)


def _check_waivers(present: Policy, mine: Policy) -> None:
    """No waiver holds longer from a file than one that is typed."""
    last = waivers.last_day(checking.today()).isoformat()
    for number, item in enumerate(mine.waivers):
        if item.expires > last and item not in present.waivers:
            path = f"policy.waivers[{number}].expires"
            raise Invalid(f"{path}: a waiver holds until {last} at most", field=path)
