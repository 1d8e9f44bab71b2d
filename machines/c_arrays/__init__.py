"""The ``GlobalProperty`` arrays of QEMU's C sources, read from a source file or from a patch.

    >>> text = 'GlobalProperty hw_compat_9_2[] = {{ "foo", "x", "on" },};'
    >>> parse_arrays(text, "machine.c")
    {'hw_compat_9_2': [Entry(driver='foo', property='x', value='on', line=1)]}

Understood: comments, ``#define`` with and without parameters, ``#if 0``, designated initialisers,
adjacent string literals, ``stringify()``, the empty end-of-list entry. Of a unified diff the new
side is read. What cannot be read is a :class:`CatalogueError` that names file and line; nothing
is guessed: a patch that changes an array of which it shows only a part is such an error.

The way of a file: :mod:`fragments` (which lines), :mod:`tokens` (words and signs),
:mod:`preprocessor` (conditions, macros), :mod:`arrays` (entries).

No Django here: the child process of :mod:`machines.parsing` runs this.
"""

from machines.c_arrays.arrays import Entry, parse_arrays, to_document
from machines.c_arrays.fragments import SOURCES

__all__ = ["SUFFIXES", "Entry", "parse_arrays", "to_document"]

#: Suffixes of the files that :func:`parse_arrays` reads.
SUFFIXES = (*SOURCES, ".patch", ".diff")
