"""A tree's people, what it asks of a review, and which migrations it promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from frontend.access import demand, person_of, put_into, status_of, visible_trees
from frontend.forms.people import PromisesForm, ReviewRulesForm
from machines.models import Tree
from policy.errors import PolicyError
from policy.models import Membership, TreePromises
from policy.permissions import may
from policy.review import workflow
from policy.review.votes import approvals_needed
from policy.trials import promises


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tree(request: HttpRequest, name: str) -> HttpResponse:
    """Who holds which roles, how many approvals a change needs, and what migrations are promised.

    Its administrators say that; ``set`` names what is sent: ``promises``, ``usual`` or nothing for
    the approvals. Context: tree, people ([(login name, [role])]), approvals, may_administer, form,
    promises, every (the number that means every older release), majors, promises_form, is_usual.
    """
    found = visible_trees(request.user).filter(name=name).first()
    if found is None:
        raise Http404
    needed = approvals_needed(found)
    form: forms.Form = ReviewRulesForm(initial={"approvals": needed})
    held = promises.promises_of(found)
    promises_form: forms.Form = PromisesForm(initial=asdict(held))
    if request.method == "POST":
        demand(request.user, "administer", found)
        actor = person_of(request)
        wanted = request.POST.get("set", "")
        if wanted == "usual":
            promises.set_promises(found, actor, None)
            return _saved(request, found)
        if wanted == "promises":
            typed = promises_form = PromisesForm(request.POST)
            if _is_done(typed, lambda: promises.set_promises(found, actor, typed.promises())):
                return _saved(request, found)
        else:
            number = form = ReviewRulesForm(request.POST)
            if _is_done(
                number,
                lambda: workflow.set_approvals(found, actor, number.cleaned_data["approvals"]),
            ):
                return _saved(request, found)
    context = {
        "tree": found,
        "people": _people(found),
        "approvals": needed,
        "may_administer": may(request.user, "administer", found),
        "form": form,
        "promises": held,
        "every": promises.EVERY,
        "majors": TreePromises.Majors(held.majors).label,
        "promises_form": promises_form,
        "is_usual": promises.own_promises(found) is None,
    }
    status = max(status_of(form), status_of(promises_form))
    return render(request, "pages/tree.html", context, status=status)


def _is_done(form: forms.Form, save: Callable[[], None]) -> bool:
    """Save what was typed; False where it is not valid, which the form then says."""
    if not form.is_valid():
        return False
    try:
        save()
    except PolicyError as error:
        put_into(form, error)
        return False
    return True


def _saved(request: HttpRequest, found: Tree) -> HttpResponse:
    messages.success(request, _("Saved."))
    return redirect("tree", found.name)


def _people(found: Tree) -> list[tuple[str, list[str]]]:
    rows = Membership.objects.filter(tree=found).select_related("user")
    held = rows.order_by("user__username", "role")
    return [
        (name, [str(item.get_role_display()) for item in items])
        for name, items in groupby(held, key=lambda item: item.user.get_username())
    ]
