"""A tree's webhooks, for its administrators: added, tried out, removed; what each was told."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from frontend.access import (
    administered_tree,
    delivery_of,
    person_of,
    put_into,
    status_of,
    webhook_of,
)
from frontend.forms.webhooks import WebhookForm
from frontend.lists import page_of
from policy.errors import PolicyError
from policy.messages import webhooks
from policy.models import Webhook


@login_required
@never_cache  # what adding answers holds the secret
@require_http_methods(["GET", "HEAD", "POST"])
def webhook_list(request: HttpRequest, name: str) -> HttpResponse:
    """The tree's webhooks and the form of a new one, whose secret this answer alone shows."""
    tree = administered_tree(request.user, name)
    form = WebhookForm(request.POST or None)
    added, secret = None, ""
    if request.method == "POST" and form.is_valid():
        try:
            user, url = person_of(request), form.cleaned_data["url"]
            added, secret = webhooks.add(tree, user, url, form.events())
            form = WebhookForm()
        except PolicyError as error:
            put_into(form, error)
    context = {
        "tree": tree,
        "webhooks": tree.webhooks.select_related("created_by"),
        "form": form,
        "added": added,
        "secret": secret,
    }
    return render(request, "pages/webhooks.html", context, status=status_of(form))


@login_required
@require_safe
def webhook(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """One webhook and what it was told, the newest first."""
    found = webhook_of(request.user, name, pk)
    return _page(request, found, WebhookForm(initial=_initial(found)))


def _initial(found: Webhook) -> dict[str, Any]:
    return {"url": found.url, **dict.fromkeys(found.events, True)}


def _page(request: HttpRequest, found: Webhook, form: WebhookForm) -> HttpResponse:
    context = {
        "webhook": found,
        "tree": found.tree,
        "page": page_of(request, found.deliveries.all()),
        "form": form,
    }
    return render(request, "pages/webhook.html", context, status=status_of(form))


@login_required
@require_POST
def webhook_change(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Another address, or other events."""
    found = webhook_of(request.user, name, pk)
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            webhooks.change(found, person_of(request), form.cleaned_data["url"], form.events())
        except PolicyError as error:
            put_into(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("webhook", name, pk)
    return _page(request, found, form)


@login_required
@require_POST
def webhook_ping(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Try the address out."""
    webhooks.ping(webhook_of(request.user, name, pk), person_of(request))
    messages.success(request, _("A ping is on its way."))
    return redirect("webhook", name, pk)


@login_required
@require_POST
def webhook_remove(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Tell it nothing more."""
    webhooks.remove(webhook_of(request.user, name, pk), person_of(request))
    messages.success(request, _("The webhook is removed."))
    return redirect("webhooks", name)


@login_required
@require_POST
def delivery_repeat(request: HttpRequest, name: str, pk: int, delivery: int) -> HttpResponse:
    """Send a delivery again."""
    webhooks.repeat(delivery_of(webhook_of(request.user, name, pk), delivery), person_of(request))
    messages.success(request, _("It is sent again."))
    return redirect("webhook", name, pk)
