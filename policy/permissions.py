"""Who may do what: roles are held per tree, each on its own.

    action      roles that allow it
    view        any role in any tree (a downstream's people look at upstream's releases too)
    edit        maintainer
    review      reviewer
    publish     release manager
    import      maintainer, release manager
    administer  none but the administrator

An administrator of a tree and a superuser may do all of these. None of it lifts the rule of four
eyes, which is about persons and stands in :mod:`policy.review.workflow`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import rules

from machines.looks import once_a_look
from machines.models import Tree
from policy.errors import Forbidden
from policy.models import Membership, Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

ROLES: dict[str, frozenset[str]] = {
    "view": frozenset(Role.values),
    "edit": frozenset({Role.MAINTAINER, Role.ADMINISTRATOR}),
    "review": frozenset({Role.REVIEWER, Role.ADMINISTRATOR}),
    "publish": frozenset({Role.RELEASE_MANAGER, Role.ADMINISTRATOR}),
    "import": frozenset({Role.MAINTAINER, Role.RELEASE_MANAGER, Role.ADMINISTRATOR}),
    "administer": frozenset({Role.ADMINISTRATOR}),
}
_VERBS = {
    "view": "look at",
    "edit": "edit policies of",
    "review": "review changes of",
    "publish": "publish policies of",
    "import": "import releases of",
    "administer": "administer",
}


@once_a_look
def _roles(user: int) -> frozenset[tuple[int, str]]:
    """(tree, role) of everything that the person holds."""
    return frozenset(Membership.objects.filter(user_id=user).values_list("tree_id", "role"))


def _holds(action: str) -> rules.Predicate:
    def predicate(user: User, tree: Tree | None) -> bool:
        # Whoever has a role anywhere may look everywhere; None asks for "in any tree" as well.
        anywhere = tree is None or action == "view"
        return any(
            role in ROLES[action] and (anywhere or (tree is not None and held == tree.pk))
            for held, role in _roles(user.pk or 0)
        )

    return rules.Predicate(predicate, name=f"holds-a-role-for-{action}")


for _action in ROLES:
    rules.set_perm(f"policy.{_action}", rules.is_active & (rules.is_superuser | _holds(_action)))


def may(user: User | AnonymousUser, action: str, tree: Tree | None) -> bool:
    """Whether the person may do this in the tree; with None, in any tree at all."""
    return bool(rules.has_perm(f"policy.{_known(action)}", user, tree))


def require(user: User | AnonymousUser, action: str, tree: Tree | None) -> None:
    """Raise :class:`Forbidden` unless the person may do this in the tree."""
    if not may(user, action, tree):
        where = f"the tree '{tree}'" if tree is not None else "any tree"
        raise Forbidden(f"You have no role that lets you {_VERBS[action]} {where}.")


def trees_where(user: User | AnonymousUser, action: str) -> frozenset[int]:
    """Primary keys of the trees in which the person may do this: one query for a whole list."""
    allowed = ROLES[_known(action)]
    if not user.is_active:
        return frozenset()
    if user.is_superuser or (action == "view" and may(user, "view", None)):
        return _all_trees()
    return frozenset(tree for tree, role in _roles(user.pk or 0) if role in allowed)


@once_a_look
def _all_trees() -> frozenset[int]:
    return frozenset(Tree.objects.values_list("pk", flat=True))


def _known(action: str) -> str:
    if action not in ROLES:
        raise ValueError(f"'{action}' is no action: {', '.join(ROLES)}")
    return action
