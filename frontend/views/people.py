"""A person as others see them: the roles they hold, what they ask for, what they did lately."""

from __future__ import annotations

from itertools import groupby

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from frontend.access import visible_trees
from frontend.shown.activity import grouped
from policy.models import AuditEntry, ChangeRequest, Membership

SHOWN_CHANGES = 20
RECENT = 10
RECENT_ENTRIES = 80


@login_required
@require_safe
def person(request: HttpRequest, name: str) -> HttpResponse:
    """Somebody who holds a role; who holds none is found by nobody.

    Context: shown (User), roles ([(tree, [role])]), changes (the newest), recent (Activity).
    """
    trees = visible_trees(request.user)
    held = Membership.objects.filter(user__username=name, tree__in=trees)
    roles = list(held.select_related("tree", "user").order_by("tree__name", "role"))
    if not roles:
        raise Http404
    shown: User = roles[0].user
    changes = ChangeRequest.objects.filter(author=shown, release__tree__in=trees)
    entries = AuditEntry.objects.filter(actor=shown.username).defer("before", "after")
    context = {
        "shown": shown,
        "roles": [
            (tree, [str(item.get_role_display()) for item in items])
            for tree, items in groupby(roles, key=lambda item: item.tree)
        ],
        "changes": changes.select_related("release__tree").defer("content")[:SHOWN_CHANGES],
        "recent": grouped(entries[:RECENT_ENTRIES], RECENT),
    }
    return render(request, "pages/person.html", context)
