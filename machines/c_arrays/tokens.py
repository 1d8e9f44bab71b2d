"""The words and signs of C, each with the line that it stands on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from machines.c_arrays.fragments import Fragment
from machines.emulator.catalogue import CatalogueError

#: The longest of QEMU's sources with compat arrays has about 20,000.
MAX_TOKENS = 500_000


class Token(NamedTuple):
    """``kind``: name, text (a string literal, unescaped), character, number, directive or sign."""

    kind: str
    text: str
    line: int


_COMMENT = re.compile(
    r"""(?P<keep>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|//[^\n]*|/\*.*?\*/""", re.DOTALL
)
_TOKEN = re.compile(
    r"""
    (?P<directive>(?m:^)[ \t]*\#(?:[^\n\\]|\\\n|\\.)*)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<text>"(?:\\.|[^"\\\n])*")
    | (?P<character>'(?:\\.|[^'\\\n])*')
    | (?P<number>\d[\w.]*)
    | (?P<sign>[^\s\w])
    """,
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def _unescape(literal: str) -> str:
    """The text of a literal. Escapes by number are bytes, of UTF-8 as the sources are."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "x" and len(code) > 1:
            return _byte(int(code[1:], 16))
        if code[0] in "01234567":
            return _byte(int(code, 8) & 0xFF)
        return _ESCAPED.get(code, code)

    text = _ESCAPE.sub(one, literal[1:-1])
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _byte(code: int) -> str:
    """Stands for the byte until all of the literal's are there."""
    return bytes([code]).decode(errors="surrogateescape")


def tokens_of(text: str, numbers: Sequence[int], filename: str) -> list[Token]:
    """Tokens of comment-free text; ``numbers[i]`` is the line number of its line *i*.

    Raises :class:`CatalogueError` where there are more than :data:`MAX_TOKENS`.
    """
    tokens: list[Token] = []
    row, end_of_row = 0, text.find("\n")
    for match in _TOKEN.finditer(text):
        while 0 <= end_of_row < match.start():
            row, end_of_row = row + 1, text.find("\n", end_of_row + 1)
        line = numbers[min(row, len(numbers) - 1)]
        kind, written = str(match.lastgroup), match[0]
        tokens.append(Token(kind, _unescape(written) if kind == "text" else written, line))
        if len(tokens) > MAX_TOKENS:
            problem = f"the file has more than {MAX_TOKENS} words and signs up to here"
            raise CatalogueError(f"{filename}:{line}", problem)
    return tokens


def without_comments(fragment: Fragment, filename: str) -> str:
    text = "\n".join(fragment.lines)
    if not fragment.whole:
        # A hunk may begin within a comment.
        close, begin = text.find("*/"), text.find("/*")
        if close >= 0 and (begin < 0 or close < begin):
            text = _blank(text[: close + 2]) + text[close + 2 :]
    text = _COMMENT.sub(lambda match: match["keep"] or _blank(match[0]), text)
    unclosed = _unclosed_comment(text)
    if unclosed >= 0:
        if fragment.whole:
            line = fragment.numbers[text.count("\n", 0, unclosed)]
            raise CatalogueError(f"{filename}:{line}", "the comment has no end")
        text = text[:unclosed]
    return text


def _unclosed_comment(text: str) -> int:
    for match in re.finditer(r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|/\*""", text):
        if match[1] is None:
            return match.start()
    return -1


def _blank(text: str) -> str:
    """As many lines, with nothing on them."""
    return "\n" * text.count("\n") or " "


def closing(tokens: Sequence[Token], begin: int) -> int | None:
    """Where the brace or parenthesis that opens at ``begin`` is closed."""
    depth = 0
    for position in range(begin, len(tokens)):
        if tokens[position].kind != "sign":
            continue
        if tokens[position].text in "{(":
            depth += 1
        elif tokens[position].text in "})":
            depth -= 1
            if depth == 0:
                return position
    return None


def split_at_commas(tokens: Sequence[Token]) -> list[list[Token]]:
    """The parts between top-level commas; none for an empty part, such as after the last comma."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "sign" and token.text in "({":
            depth += 1
        elif token.kind == "sign" and token.text in ")}":
            depth -= 1
        if token.kind == "sign" and token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]
