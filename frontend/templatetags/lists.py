"""The rows of a list: each cell is written once, and drawn where the person wants its column.

    {% rows listing as trial %}
      {% cell "number" %}<a data-row-link href="…">#{{ trial.pk }}</a>{% endcell %}
      {% cell "machine_type" %}{{ trial.machine_type }}{% endcell %}
    {% endrows %}

A column without a cell shows its value. The first column heads its row. Each cell carries its
column's words, which stand before it where a narrow screen makes blocks of the rows.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from frontend.lists.kinds import Column
from frontend.lists.listing import Listing

register = template.Library()

#: A column, and what stands before and after each of its cells.
Frame = tuple[Column, str, str]


class CellNode(template.Node):
    """What stands in one column."""

    def __init__(self, name: str, nodes: NodeList) -> None:
        self.name = name
        self.nodes = nodes

    def render(self, context: template.Context) -> SafeString:
        return self.nodes.render(context)


class RowsNode(template.Node):
    """The rows of a listing's page."""

    child_nodelists = ("nodes",)

    def __init__(self, listing: FilterExpression, name: str, nodes: NodeList) -> None:
        self.listing = listing
        self.name = name
        self.nodes = nodes
        self.cells = {node.name: node for node in nodes if isinstance(node, CellNode)}

    def render(self, context: template.Context) -> SafeString:
        listing: Listing = self.listing.resolve(context)
        frames = [_frame(place, column) for place, column in enumerate(listing.columns)]
        with context.push():
            return mark_safe(  # noqa: S308 - every part is escaped below
                "".join(self._row(context, listing, frames, row) for row in listing.rows)
            )

    def _row(
        self, context: template.Context, listing: Listing, frames: list[Frame], row: Any
    ) -> str:
        context[self.name] = row
        key = conditional_escape(listing.kind.key(row))
        pick = _pick(key, listing.kind.called(row)) if listing.actions else ""
        cells = "".join(
            f"{before}{self._cell(context, column, row)}{after}" for column, before, after in frames
        )
        return f'<tr role="row" id="row-{key}">{pick}{cells}</tr>'

    def _cell(self, context: template.Context, column: Column, row: Any) -> str:
        cell = self.cells.get(column.name)
        if cell is not None:
            return cell.render(context).strip()
        value = column.value(row)
        return conditional_escape("" if value is None else value)


def _frame(place: int, column: Column) -> Frame:
    """What stands around every cell of a column, written once for all rows: the first heads them,
    the others name themselves.
    """
    if place == 0:
        head = format_html('<th scope="row" role="rowheader" class="{}">', column.style)
        return column, head, "</th>"
    head = format_html('<td role="cell" class="{}" data-label="{}">', column.style, column.label)
    return column, head, "</td>"


def _pick(key: str, called: str) -> str:
    """The box that chooses a row. ``key`` is escaped already."""
    return (
        '<td role="cell" class="pick"><input class="form-check-input" type="checkbox" form="bulk" '
        f'name="row" value="{key}" aria-label="{conditional_escape(called)}" data-pick '
        f'data-key="x" data-key-label="{conditional_escape(_("Choose the row"))}"></td>'
    )


@register.tag
def rows(parser: Parser, token: Token) -> RowsNode:
    """``{% rows listing as name %}``: see the module."""
    try:
        _tag, listing, word, name = token.split_contents()
    except ValueError:
        word, name = "", ""
    if word != "as":
        raise template.TemplateSyntaxError("Write {% rows listing as name %}.")
    nodes = parser.parse(("endrows",))
    parser.delete_first_token()
    return RowsNode(parser.compile_filter(listing), name, nodes)


@register.tag
def cell(parser: Parser, token: Token) -> CellNode:
    """``{% cell "name" %}``: what stands in the column of that name."""
    _tag, name = token.split_contents()
    nodes = parser.parse(("endcell",))
    parser.delete_first_token()
    return CellNode(name.strip("\"'"), nodes)


@register.filter
def has_boxes(field: Any) -> bool:
    """Does a filter take several values, a box for each?"""
    return getattr(field.field.widget, "input_type", "") == "checkbox" and hasattr(
        field.field, "choices"
    )


@register.filter
def is_chosen(column: Column, listing: Listing) -> bool:
    """Does the person see the column?"""
    return column in listing.columns
