r"""JSON values in a stream of bytes, told apart as QEMU does it (qobject/json-lexer.c and others).

A value ends where its brackets close, wherever lines end. Beyond RFC 8259, strings may stand in
apostrophes. What cannot be read yields a :class:`JsonError` in its place, in QEMU's words, and
reading goes on behind it.

    >>> for value in JsonReader().feed(b"{'a': [1]} {\"b\" 2} nil\n"):
    ...     print(repr(value))
    {'a': [1]}
    JsonError('JSON parse error, missing : in object pair')
    JsonError("JSON parse error, invalid keyword 'nil'")
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from machines.emulator.errors import EmulatorError

#: Limits. QEMU's are 64 MiB, 2 Mi tokens and 1024 brackets of a kind; Python's own recursion is
#: why brackets nest less deep here.
MAX_VALUE_BYTES = 64 * 2**20
MAX_TOKENS = 2**17
MAX_NESTING = 256
MAX_WORD = 400  # a number or a keyword

Kind = Literal["string", "number", "keyword", "stray", "[", "]", "{", "}", ":", ","]
Token = tuple[Kind, bytes]

_SPACE = re.compile(rb"[ \t\r\n]*")
_WORD = re.compile(rb"-?[0-9][-+.0-9eE]*|-|[a-z]+")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_IN_STRING = {
    quote: re.compile(rb"(?:[^%b\\\x00-\x1f\xfe\xff]|\\[\x20-\xfd])*" % quote)
    for quote in (b'"', b"'")
}
_NOT_SKIPPED = re.compile(rb"[\x00-\x1f\xfe\xff{}\[\]:,]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"} | {c: c for c in "\"'\\/"}
_KEYWORDS = {b"true": True, b"false": False, b"null": None}
_STRUCTURE: dict[int, Kind] = {
    ord("["): "[",
    ord("]"): "]",
    ord("{"): "{",
    ord("}"): "}",
    ord(":"): ":",
    ord(","): ",",
}


class JsonError(EmulatorError):
    """The bytes are no JSON value; the message is QEMU's description of why."""


class JsonReader:
    """Takes bytes as they come and gives the values that they complete."""

    def __init__(self) -> None:
        self._lexer = _Lexer()
        self._value = _Value()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The values that ``data`` completes, a :class:`JsonError` for each that is none."""
        for kind, text in self._lexer.tokens(data):
            self._value.add(kind, text)
            if self._value.is_complete:
                value, self._value = self._value, _Value()
                yield value.result()
        if self._value.size + self._lexer.pending > MAX_VALUE_BYTES:
            self._lexer, self._value = _Lexer(), _Value()
            yield JsonError("JSON token size limit exceeded")


# --- Tokens ---------------------------------------------------------------------------------------


class _Lexer:
    """Bytes to tokens. A token may arrive in pieces: what is unfinished waits for the next."""

    def __init__(self) -> None:
        self._kept = b""  # of a word, or the backslash of an escape: short
        self._string = bytearray()
        self._quote = b""
        self._skipping = False  # after a stray byte, up to one that may begin something new

    @property
    def pending(self) -> int:
        """How many bytes wait for their token's end."""
        return len(self._string) + len(self._kept)

    def tokens(self, data: bytes) -> Iterator[Token]:
        data, at, self._kept = self._kept + data, 0, b""
        while at < len(data):
            if self._skipping:
                found = _NOT_SKIPPED.search(data, at)
                at = found.start() if found else len(data)
                self._skipping = found is None
                continue
            step = self._in_string(data, at) if self._quote else self._begin(data, at)
            token, at = step
            if token is not None:
                self._skipping = token[0] == "stray"
                yield token

    def _begin(self, data: bytes, at: int) -> tuple[Token | None, int]:
        space = _SPACE.match(data, at)
        if space is not None and space.end() > at:
            return None, space.end()
        if kind := _STRUCTURE.get(data[at]):
            return (kind, data[at : at + 1]), at + 1
        if data[at : at + 1] in _IN_STRING:
            self._quote = data[at : at + 1]
            return None, at + 1
        word = _WORD.match(data, at)
        if word is None:
            return ("stray", data[at : at + 1]), at + 1
        if word.end() == len(data) and len(word[0]) <= MAX_WORD:
            self._kept = word[0]
            return None, len(data)
        return _word(word[0]), word.end()

    def _in_string(self, data: bytes, at: int) -> tuple[Token | None, int]:
        run = _IN_STRING[self._quote].match(data, at)
        end = at if run is None else run.end()
        self._string += data[at:end]
        if end == len(data):
            return None, end
        if data[end:] == b"\\":
            self._kept = b"\\"
            return None, len(data)
        text, self._string = bytes(self._string), bytearray()
        ended, self._quote = data[end : end + 1] == self._quote, b""
        if ended:
            return ("string", text), end + 1
        return ("stray", b'"' + text[:MAX_WORD] + data[end : end + 1]), end + 1


def _word(text: bytes) -> Token:
    if text[:1].isalpha():
        return "keyword", text
    if len(text) <= MAX_WORD and _NUMBER.fullmatch(text):
        return "number", text
    return "stray", text[:MAX_WORD]


# --- Values ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Container:
    """An object or array that is being read; ``expects`` is what may come next in it."""

    content: dict[str, Any] | list[Any]
    expects: Literal["first", "key", "colon", "value", "separator"] = "first"
    key: str = ""


@dataclass(slots=True)
class _Value:
    """One value from its first token on; after an error it only looks for its end."""

    size: int = 0
    tokens: int = 0
    is_complete: bool = False
    _root: Any = None
    _open: list[_Container] = field(default_factory=list)
    _balance: dict[str, int] = field(default_factory=lambda: {"{": 0, "[": 0})
    _error: JsonError | None = None

    def result(self) -> Any:
        if self._error is not None:
            return self._error
        return JsonError("JSON parse error, premature EOI") if self._open else self._root

    def add(self, kind: Kind, text: bytes) -> None:
        self.size += len(text)
        self.tokens += 1
        if kind == "stray":
            shown = text.decode("utf-8", "replace")
            self._error = JsonError(f"JSON parse error, stray '{shown}'")
            self.is_complete = True
            return
        self._count(kind)
        if self._error is None and not self.is_complete:
            try:
                self._take(kind, text)
            except JsonError as error:
                self._error = error
        open_brackets = self._balance.values()
        if not any(open_brackets) or min(open_brackets) < 0:
            self.is_complete = True

    def _count(self, kind: Kind) -> None:
        if kind in "{[":
            self._balance[kind] += 1
        elif kind in "}]":
            self._balance["{" if kind == "}" else "["] -= 1
        if max(self._balance.values()) > MAX_NESTING:
            self._give_up("JSON nesting depth limit exceeded")
        elif self.tokens > MAX_TOKENS:
            self._give_up("JSON token count limit exceeded")
        elif self.size > MAX_VALUE_BYTES:
            self._give_up("JSON token size limit exceeded")

    def _give_up(self, reason: str) -> None:
        self._error = JsonError(reason)
        self.is_complete = True

    def _take(self, kind: Kind, text: bytes) -> None:
        inside = self._open[-1] if self._open else None
        if inside is None:
            self._begin(kind, text)
        elif isinstance(inside.content, dict):
            self._in_object(inside, kind, text)
        else:
            self._in_array(inside, kind, text)

    def _in_object(self, inside: _Container, kind: Kind, text: bytes) -> None:
        if kind == "}" and inside.expects in ("first", "separator"):
            self._open.pop()
        elif inside.expects in ("first", "key"):
            self._key(inside, kind, text)
        elif inside.expects == "colon":
            if kind != ":":
                raise _parse_error("missing : in object pair")
            inside.expects = "value"
        elif inside.expects == "value":
            inside.expects = "separator"
            self._begin(kind, text)
        elif kind == ",":
            inside.expects = "key"
        else:
            raise _parse_error("expected separator in dict")

    def _key(self, inside: _Container, kind: Kind, text: bytes) -> None:
        if kind != "string":
            raise _parse_error(
                "expecting value" if kind in "}]:," else "key is not a string in object"
            )
        inside.key = _text(text)
        if inside.key in inside.content:
            raise _parse_error("duplicate key")
        inside.expects = "colon"

    def _in_array(self, inside: _Container, kind: Kind, text: bytes) -> None:
        if kind == "]" and inside.expects in ("first", "separator"):
            self._open.pop()
        elif inside.expects in ("first", "value"):
            inside.expects = "separator"
            self._begin(kind, text)
        elif kind == ",":
            inside.expects = "value"
        else:
            raise _parse_error("expected separator in list")

    def _begin(self, kind: Kind, text: bytes) -> None:
        """A value begins here; an object or array stays open for what it holds."""
        if kind in "{[":
            content: dict[str, Any] | list[Any] = {} if kind == "{" else []
            self._store(content)
            self._open.append(_Container(content))
        elif kind == "string":
            self._store(_text(text))
        elif kind == "number":
            self._store(_number(text))
        elif kind == "keyword" and text in _KEYWORDS:
            self._store(_KEYWORDS[text])
        elif kind == "keyword":
            raise _parse_error(f"invalid keyword '{text[:MAX_WORD].decode()}'")
        else:
            raise _parse_error("expecting value")

    def _store(self, value: Any) -> None:
        if not self._open:
            self._root = value
            return
        inside = self._open[-1]
        if isinstance(inside.content, dict):
            inside.content[inside.key] = value
        else:
            inside.content.append(value)


def _parse_error(reason: str) -> JsonError:
    return JsonError(f"JSON parse error, {reason}")


def _text(raw: bytes) -> str:
    """A string's content. Half of a surrogate pair is no character (QEMU: the same)."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _parse_error("invalid UTF-8 sequence in string") from None
    if "\\" not in text:
        return text
    text = _ESCAPE.sub(_unescape, text)
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _parse_error("half of a surrogate pair is not a valid Unicode character") from None


def _unescape(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[2] not in _ESCAPED:
        raise _parse_error(f"invalid escape sequence '\\{match[2]}'")
    return _ESCAPED[match[2]]


def _number(text: bytes) -> int | float:
    """An integer that fits in 64 bits, signed or not, as it is; any other number as a float."""
    if not set(text) & set(b".eE"):
        whole = int(text)
        if -(2**63) <= whole < 2**64:
            return whole
    real = float(text)
    if not math.isfinite(real):
        raise _parse_error("number out of range")
    return real


def encode(value: Any) -> bytes:
    """A value as QEMU sends it: one line of ASCII, ended by CR and LF."""
    return json.dumps(value).encode() + b"\r\n"
