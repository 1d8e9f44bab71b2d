"""Whose eyes may see what: the views' way to ask :mod:`policy.permissions`.

What a person may not see does not exist for them (404); what they see but may not do is refused
with a reason (403).
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.forms import BaseForm
from django.http import Http404, HttpRequest
from rest_framework.request import Request

from machines.models import Release, Stream, Tree
from policy import state
from policy.errors import Conflict, Forbidden, Invalid, MergeNeeded, PolicyError
from policy.models import (
    Bundle,
    BundleSignature,
    ChangeRequest,
    Comment,
    Delivery,
    Thread,
    Trial,
    Webhook,
)
from policy.permissions import may, require, trees_where
from policy.trials import streams


def person_of(request: HttpRequest | Request) -> User:
    """Who asks: for views behind ``login_required``, where nobody is anonymous."""
    return cast(User, request.user)


def trees_for(user: Any, action: str) -> QuerySet[Tree]:
    """The trees in which the person may do ``action``, by name."""
    return Tree.objects.filter(pk__in=trees_where(user, action))


def visible_trees(user: Any) -> QuerySet[Tree]:
    """The trees that the person may see, by name."""
    return trees_for(user, "view")


def demand(user: Any, action: str, tree: Tree) -> None:
    """404 where the person may not see the tree, 403 where they may see it but not do this."""
    if not may(user, "view", tree):
        raise Http404
    require(user, action, tree)


def visible_release(user: Any, tree: str, version: str) -> Release:
    """The release, or 404 where there is none that the person may see."""
    releases = Release.objects.select_related("tree").filter(tree__in=visible_trees(user))
    release = releases.filter(tree__name=tree, version=version).first()
    if release is None:
        raise Http404
    return release


def named_release(user: Any, label: str, field: str) -> Release:
    """The release of a label (``rhel 9.3``). Raises Invalid where the person sees none such."""
    found = state.release_of(label)
    if found is None or not may(user, "view", found.tree):
        raise Invalid(f"There is no release '{label}'.", field=field)
    return found


def visible_change(user: Any, pk: int) -> ChangeRequest:
    """The change request, or 404 where there is none that the person may see."""
    changes = ChangeRequest.objects.select_related(
        "release__tree", "release__base__tree", "author", "base_revision", "revision"
    ).defer("base_revision__content", "revision__content")
    change = changes.filter(pk=pk).first()
    if change is None or not may(user, "view", change.release.tree):
        raise Http404
    return change


def visible_thread(change: ChangeRequest, user: Any, pk: int) -> Thread:
    """A thread of the change request, or 404 where there is none that the person sees."""
    seen = Q(comments__published_at__isnull=False) | Q(comments__author=user.pk)
    found = change.threads.filter(seen, pk=pk).distinct().first()
    if found is None:
        raise Http404
    found.change_request = change
    return found


def own_draft(change: ChangeRequest, user: Any, pk: int) -> Comment:
    """A comment that the person has not published; others' drafts do not exist for them (404)."""
    drafts = Comment.objects.filter(thread__change_request=change, author=user.pk)
    found = drafts.select_related("thread").filter(pk=pk).first()
    if found is None:
        raise Http404
    found.thread.change_request = change
    return found


def visible_trial(user: Any, pk: int) -> Trial:
    """The trial, or 404 where there is none that the person may see."""
    trees = visible_trees(user)
    rows = Trial.objects.select_related("source__tree", "destination__tree", "varies", "asked_by")
    found = rows.filter(pk=pk, source__tree__in=trees, destination__tree__in=trees).first()
    if found is None:
        raise Http404
    return found


def visible_bundles(user: Any) -> QuerySet[Bundle]:
    """The bundles that the person may see, the newest first, without the documents of any."""
    rows = Bundle.objects.filter(revision__release__tree__in=visible_trees(user))
    rows = rows.select_related(
        "revision__release__tree", "revision__published_by", "revision__snapshot", "revocation"
    )
    rows = rows.defer(
        "content", "revision__content", "revision__snapshot__content", "revision__snapshot__report"
    )
    signatures = BundleSignature.objects.filter(bundle=OuterRef("pk"))
    return rows.annotate(is_signed=Exists(signatures))


def visible_bundle(user: Any, tree: str, version: str, number: int) -> Bundle:
    """The bundle of a revision, or Http404 where there is none that the person may see."""
    found = (
        visible_bundles(user)
        .filter(
            revision__release__tree__name=tree,
            revision__release__version=version,
            revision__number=number,
        )
        .first()
    )
    if found is None:
        raise Http404
    return found


def latest_bundle(user: Any, release: Release) -> Bundle:
    """The newest bundle of a release that is not revoked, or Http404."""
    rows = visible_bundles(user).filter(revision__release=release, revocation=None)
    found = rows.order_by("-revision__number").first()
    if found is None:
        raise Http404
    return found


def visible_stream(user: User, pk: int) -> Stream:
    """The upload, or 404 where there is none that the person may see."""
    rows = streams.visible_to(user).select_related("owner", "tree")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def administered_tree(user: Any, name: str) -> Tree:
    """A tree that the person administers: 404 where they do not see it, 403 where they do."""
    found = visible_trees(user).filter(name=name).first()
    if found is None:
        raise Http404
    demand(user, "administer", found)
    return found


def webhook_of(user: Any, name: str, pk: int) -> Webhook:
    """A webhook of such a tree, or Http404."""
    rows = administered_tree(user, name).webhooks.select_related("tree", "created_by")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def delivery_of(found: Webhook, pk: int) -> Delivery:
    """A delivery of the webhook, or Http404."""
    delivery = found.deliveries.filter(pk=pk).first()
    if delivery is None:
        raise Http404
    delivery.webhook = found
    return delivery


def put_into(form: BaseForm, error: PolicyError) -> None:
    """Show a policy error at the field that it names; one of permission becomes a 403, and one
    that asks for a choice leads to its own page (:mod:`frontend.meanwhile`)."""
    if isinstance(error, Forbidden | MergeNeeded):
        raise error
    form.add_error(error.field if error.field in form.fields else None, str(error))
    if isinstance(error, Conflict):
        form.meanwhile = error.meanwhile  # type: ignore[attr-defined]
    if isinstance(error, Conflict) and "lock_version" in form.fields:
        # The page now shows what is there: sending the form again is about that.
        form.data = _with(form.data, "lock_version", str(error.current_version))
    form.http_status = 409 if isinstance(error, Conflict) else 422  # type: ignore[attr-defined]


def _with(data: Any, key: str, value: str) -> Any:
    """What was posted (a QueryDict, which does not change) with one value replaced."""
    changed = data.copy()
    changed[key] = value
    return changed


def status_of(form: BaseForm) -> int:
    """The HTTP status that a page showing this form answers with."""
    if not form.is_bound or form.is_valid():
        return 200
    return int(getattr(form, "http_status", 422))
