"""A tree's people, and what it asks of a review."""

from __future__ import annotations

from itertools import groupby

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from frontend.access import demand, person_of, put_into, status_of, visible_trees
from frontend.forms.people import ReviewRulesForm
from machines.models import Tree
from policy import workflow
from policy.errors import PolicyError
from policy.models import Membership
from policy.permissions import may
from policy.votes import approvals_needed


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tree(request: HttpRequest, name: str) -> HttpResponse:
    """Who holds which roles, and how many approvals a change needs: its administrators say that.

    Context: tree, people ([(login name, [role])]), approvals, may_administer, form.
    """
    found = visible_trees(request.user).filter(name=name).first()
    if found is None:
        raise Http404
    needed = approvals_needed(found)
    form = ReviewRulesForm(request.POST or None, initial={"approvals": needed})
    if request.method == "POST":
        demand(request.user, "administer", found)
        form = ReviewRulesForm(request.POST)
        if form.is_valid():
            try:
                workflow.set_approvals(found, person_of(request), form.cleaned_data["approvals"])
            except PolicyError as error:
                put_into(form, error)
            else:
                messages.success(request, _("Saved."))
                return redirect("tree", found.name)
    context = {
        "tree": found,
        "people": _people(found),
        "approvals": needed,
        "may_administer": may(request.user, "administer", found),
        "form": form,
    }
    return render(request, "pages/tree.html", context, status=status_of(form))


def _people(found: Tree) -> list[tuple[str, list[str]]]:
    rows = Membership.objects.filter(tree=found).select_related("user")
    held = rows.order_by("user__username", "role")
    return [
        (name, [str(item.get_role_display()) for item in items])
        for name, items in groupby(held, key=lambda item: item.user.get_username())
    ]
