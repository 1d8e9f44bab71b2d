"""The keys that pages share, in words: what ``?`` and the page of shortcuts list.

A page declares its keys on its own elements (static/js/keys.js); this list says what each of them
means wherever it works, and by which selector one knows whether a page has it.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Shortcut:
    """``keys``: alternatives (``j`` and ``k``); ``needs``: what has to be on the page, in CSS."""

    keys: tuple[str, ...]
    words: str | Promise
    needs: str

    @property
    def declared(self) -> str:
        """The keys as an element declares them."""
        return " ".join(self.keys)


def _on_element(key: str, words: str | Promise) -> Shortcut:
    return Shortcut((key,), words, f'[data-key="{key}"]')


_ROWS = "[data-rows] [data-row-link]"

GROUPS: tuple[tuple[str | Promise, tuple[Shortcut, ...]], ...] = (
    (
        _("Everywhere"),
        (
            _on_element("/", _("Search everything; Ctrl-K does the same")),
            _on_element("?", _("Show this list")),
            _on_element("e", _("To the change request that edits go into")),
            Shortcut(("u",), _("Up to the list that this page belongs to"), "[data-breadcrumb] a"),
        ),
    ),
    (
        _("Lists"),
        (
            Shortcut(("j", "k"), _("Next, previous row"), _ROWS),
            Shortcut(("o", "Enter"), _("Open the row"), _ROWS),
            _on_element("x", _("Select the row")),
        ),
    ),
    (
        _("A change request"),
        (
            Shortcut(("]", "["), _("Next, previous tab or file"), '[data-key-turn="] ["]'),
            Shortcut(("n", "p"), _("Next, previous change"), '[data-key-walk="n p"]'),
            _on_element("c", _("Comment on the change")),
            _on_element("r", _("Mark as reviewed")),
            _on_element("a", _("Reply and vote")),
        ),
    ),
)
