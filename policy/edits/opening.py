"""Opening a change request, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from django.db import transaction

from machines.catalogue import NoCatalogue, catalogue_of, effective_catalogue
from machines.models import Release
from policy import audit, drafts, history, state
from policy.document import Policy
from policy.document.merging import Choice, Merge, MergeConflict, merge
from policy.errors import Conflict, Invalid, labels_of
from policy.inputs import (
    title_of,
    words,
)
from policy.models import ChangeRequest, Revision, Seed
from policy.permissions import require
from policy.rules import seeding
from policy.trials.promises import default_migrations

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def open_change(release: Release, author: User, title: str, description: str = "") -> ChangeRequest:
    """Open a change request: from the newest revision, or from the catalogue for the first one.

    Its base is the release's catalogue of today. The first policy of a downstream starts with the
    machine types that its own catalogue lists, chained by parent, and with the migrations from and
    to the releases before it that are published.
    """
    require(author, "edit", release.tree)
    title, description = title_of(title), words(description, "description")
    newest = state.newest_revision(release)
    return _open(release, author, title, description, beginning(release), newest)


def beginning(release: Release) -> Policy:
    """The policy that a change request of the release begins with. Raises Invalid."""
    try:
        base = state.catalogue_ref(release)
        newest = state.newest_revision(release)
        if newest is not None:
            return replace(state.policy_of(newest), base=base)
        return _first_policy(release, Policy(release.tree.name, release.version, base))
    except NoCatalogue as error:
        raise Invalid(str(error), field="release") from error


def open_revert(
    revision: Revision, author: User, title: str, description: str = ""
) -> ChangeRequest:
    """Open a change request that brings an older revision's policy back, for review like any other.

    It follows the newest revision, stands on the release's catalogue of today, and rewrites no
    history. Raises Forbidden, Invalid (field ``revision`` where it is the newest one).
    """
    release = revision.release
    require(author, "edit", release.tree)
    title, description = title_of(title), words(description, "description")
    newest = state.newest_revision(release)
    if newest is None or newest.pk == revision.pk:
        raise Invalid(
            f"{revision} is what is published: there is nothing to go back from.", field="revision"
        )
    try:
        policy = replace(state.policy_of(revision), base=state.catalogue_ref(release))
    except NoCatalogue as error:
        raise Invalid(str(error), field="revision") from error
    return _open(release, author, title, description, policy, newest, reverts_to=revision)


def _open(
    release: Release,
    author: User,
    title: str,
    description: str,
    policy: Policy,
    newest: Revision | None,
    reverts_to: Revision | None = None,
) -> ChangeRequest:
    policy = drafts.checked(policy)
    with transaction.atomic():
        change = ChangeRequest.objects.create(
            release=release,
            title=title,
            description=description,
            author=author,
            content=policy.to_json(),
            digest=policy.digest,
            base_revision=newest,
            reverts_to=reverts_to,
        )
        if newest is None:
            Seed.objects.create(change_request=change, content=policy.to_json())
        history.keep(change, author, "open")
        audit.record(
            author,
            "open",
            change,
            after={
                "title": title,
                "digest": policy.digest,
                "release": release.label,
                "base_revision": str(newest) if newest is not None else "",
                **({"reverts_to": str(reverts_to)} if reverts_to is not None else {}),
            },
        )
    return change


def _first_policy(release: Release, policy: Policy) -> Policy:
    catalogue, _ = effective_catalogue(release)
    names = seeding.names_of_line(catalogue, release.tree.name)
    if not names and (snapshot := release.current_snapshot) is not None:
        names = tuple(catalogue_of(snapshot).machine_types)
    return replace(
        policy,
        machine_types=seeding.chained(catalogue, names),
        migrations=default_migrations(release),
    )


def edit_description(
    change: ChangeRequest, actor: User, expected_version: int, title: str, description: str
) -> ChangeRequest:
    """Change title and description; approvals stay, as the content does."""
    return drafts.describe(
        change, actor, expected_version, title_of(title), words(description, "description")
    )


# --- Following a newer revision -------------------------------------------------------------------


def rebase_conflicts(change: ChangeRequest) -> tuple[MergeConflict, ...]:
    """What the draft and the release's newest revision both changed; empty where nothing."""
    newest = state.newest_revision(change.release)
    if newest is None or newest.pk == change.base_revision_id:
        return ()
    return _merged(change, change.policy, newest, {}).conflicts


def rebase(
    change: ChangeRequest,
    actor: User,
    expected_version: int,
    choices: Mapping[str, Choice] | None = None,
    onto: int | None = None,
) -> ChangeRequest:
    """Base the draft on the release's newest revision and its catalogue of today.

    ``choices`` settle conflicts by their paths; ``onto`` is the number of the revision that they
    were chosen against. Raises Conflict (field ``choices``) with those that are not settled, or
    where another revision than ``onto`` is the newest by now; Invalid where the draft follows the
    newest revision already.
    """
    newest = state.newest_revision(change.release)
    if newest is None or newest.pk == change.base_revision_id:
        raise Invalid("It follows the newest revision already.")
    if onto is not None and onto != newest.number:
        raise Conflict(
            f"{newest} was published in the meantime: look at what differs from it.",
            current_version=change.lock_version,
        )
    try:
        base = state.catalogue_ref(change.release)
    except NoCatalogue as error:
        raise Invalid(str(error)) from error

    def alter(policy: Policy) -> Policy:
        merged = _merged(change, policy, newest, choices or {})
        if merged.conflicts:
            raise Conflict(
                f"Both sides changed: {labels_of(merged.conflicts)}. Choose what stays.",
                change.lock_version,
                "choices",
                conflicts=merged.conflicts,
            )
        drafts.check_typed(merged, merged.policy, (policy, state.policy_of(newest)))
        return replace(merged.policy, base=base)

    return drafts.follow(change, actor, expected_version, alter, newest)


def _merged(
    change: ChangeRequest, mine: Policy, newest: Revision, choices: Mapping[str, Choice]
) -> Merge:
    theirs = state.policy_of(newest)
    return merge(state.baseline(change), mine, theirs, choices)
