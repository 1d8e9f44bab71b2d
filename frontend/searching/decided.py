"""Finding what people decide, try, publish and say, and the people themselves."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from frontend.filters import OUTCOMES
from frontend.searching.asking import Hit, Kind, Listed, Search, holds, list_of
from policy.models import Bundle, ChangeRequest, Comment, Feature, Trial

#: Letters of a comment that a hit shows.
EXCERPT = 90


def _features(asked: Search) -> list[Hit]:
    rows = Feature.objects.filter(introduced__tree__in=asked.trees)
    found = asked.named(rows, "title", "slug", "device")[: asked.limit]
    return [Hit(row.title, reverse("feature", args=[row.slug]), row.device) for row in found]


def _changes(asked: Search) -> list[Hit]:
    rows = ChangeRequest.objects.filter(release__in=asked.releases).defer("content")
    named = rows.filter(asked.matches("title", "description") | Q(pk=asked.number))
    return [
        Hit(
            f"#{row.pk} {row.title}",
            reverse("change", args=[row.pk]),
            asked.releases[row.release_id].label,
        )
        for row in named.order_by("-pk")[: asked.limit]
    ]


def _trials(asked: Search) -> list[Hit]:
    words = Q()
    for word in asked.words:
        words &= holds(word, "machine_type", "outcome") | _at_an_end(asked, word)
    rows = Trial.objects.filter(source__in=asked.releases, destination__in=asked.releases)
    rows = rows.filter(words | Q(pk=asked.number))
    rows = rows.only("pk", "source", "destination", "machine_type")
    return [
        Hit(
            f"#{row.pk} {asked.releases[row.source_id].label} → "
            f"{asked.releases[row.destination_id].label}",
            reverse("trial", args=[row.pk]),
            row.machine_type,
        )
        for row in rows.order_by("-pk")[: asked.limit]
    ]


def _at_an_end(asked: Search, word: str) -> Q:
    """Is a release of that name at either end? The few releases are known; rows are many."""
    part = word.lower()
    named = [
        number
        for number, item in asked.releases.items()
        if part in item.version.lower() or part in item.tree.name.lower()
    ]
    return Q(source__in=named) | Q(destination__in=named)


def _trial_list(asked: Search) -> Listed | None:
    """Its words are not looked for in outcomes, which are a filter of their own: a part of one is
    found by no list.
    """
    outcomes = [name for name, _label in OUTCOMES]
    asked_for = [word.lower() for word in asked.words if word.lower() in outcomes]
    others = [word for word in asked.words if word.lower() not in outcomes]
    if any(word.lower() in outcome for word in others for outcome in outcomes):
        return None
    query = {"q": " ".join(others), "outcome": asked_for}
    given = {name: value for name, value in query.items() if value}
    return Listed(f"{reverse('trials')}?{urlencode(given, doseq=True)}")


def _bundles(asked: Search) -> list[Hit]:
    rows = Bundle.objects.filter(revision__release__in=asked.releases).select_related("revision")
    rows = rows.defer("content", "revision__content")
    found = []
    for row in asked.named(rows, "filename")[: asked.limit]:
        release = asked.releases[row.revision.release_id]
        address = [release.tree.name, release.version, row.revision.number]
        found.append(Hit(row.filename, reverse("bundle", args=address), release.label, mono=True))
    return found


def _people(asked: Search) -> list[Hit]:
    rows = User.objects.filter(is_active=True, memberships__tree__in=asked.trees).distinct()
    found = asked.named(rows, "username", "first_name", "last_name")[: asked.limit]
    return [
        Hit(row.username, reverse("person", args=[row.username]), row.get_full_name())
        for row in found
    ]


def _comments(asked: Search) -> list[Hit]:
    seen = Q(published_at__isnull=False) | Q(author=asked.user)
    rows = Comment.objects.filter(seen, thread__change_request__release__in=asked.releases)
    rows = rows.filter(asked.matches("text")).select_related("thread", "author").order_by("-pk")
    return [
        Hit(
            _excerpt(row.text, asked.words[0]),
            f"{reverse('change', args=[row.thread.change_request_id])}"
            f"?tab=discussion#comment-{row.pk}",
            f"#{row.thread.change_request_id} {row.author.username}",
        )
        for row in rows[: asked.limit]
    ]


def _excerpt(text: str, word: str) -> str:
    """The words of a comment around the first place where it holds the word."""
    line = " ".join(text.split())
    start = max(0, line.lower().find(word.lower()) - EXCERPT // 3)
    end = start + EXCERPT
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")


FEATURES = Kind("features", _("Features"), _features, list_of("features"))
CHANGES = Kind("changes", _("Change requests"), _changes, list_of("changes"))
TRIALS = Kind("trials", _("Trials"), _trials, _trial_list)
BUNDLES = Kind("bundles", _("Bundles"), _bundles, list_of("bundles"))
PEOPLE = Kind("people", _("People"), _people)
COMMENTS = Kind("comments", _("Comments"), _comments)
