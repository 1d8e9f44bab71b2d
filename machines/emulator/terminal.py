"""What somebody else wrote, on its way to a terminal: the terminal shows it and obeys none of it.

A title, a section's name or a server's answer may hold control characters. A terminal takes those
for commands (ECMA-48): to write over what stands there, to set its title, to answer in one's name.
"""

from __future__ import annotations

import re

#: What commands a terminal, lets text run the other way round (UAX #9), or is no character at all.
_COMMANDING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def harmless(text: str) -> str:
    """The text with an escape for each such character; lines and tabs stay.

    >>> harmless("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    return _COMMANDING.sub(lambda found: ascii(found[0])[1:-1], text)


def harmless_json(text: str) -> str:
    r"""The same for JSON, which says the same afterwards.

    >>> harmless_json('"a\x9b2J"')
    '"a\\u009b2J"'
    """
    return _COMMANDING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
