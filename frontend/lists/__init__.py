"""Lists, the same way everywhere: who knows one knows all.

A list is told once as a :class:`~frontend.lists.kinds.Kind`: its columns, its filters, its row
template. A view gives the rows to :class:`~frontend.lists.listing.Listing`, which reads the address
(filter, order, page) and knows what the person chose, and answers with
:func:`~frontend.lists.answers.answer`: the whole page, the part of it that htmx swaps, or a file.

    kinds         what a list is: columns, words, actions
    filters       what filters have in common: several values, a box, rows that are no query
    listing       one list as one person asks for it
    chips         the active filters, each with the way to take it off
    choices       the columns and the saved filters of a person
    export        the filtered rows as a file
    answers       page, part or file
    selection     the rows that a bulk action is about
    release_rows  a release's device types and machine types, for pages and the API alike
"""

from frontend.lists.chips import Chip, chips
from frontend.lists.listing import PAGE_SIZE, page_of

__all__ = ["PAGE_SIZE", "Chip", "chips", "page_of"]
