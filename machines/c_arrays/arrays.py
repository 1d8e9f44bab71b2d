"""``GlobalProperty`` arrays among the tokens of a source or of a patch's hunks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from machines.c_arrays.fragments import Fragment, fragments
from machines.c_arrays.preprocessor import BUILT_IN, Macro, Preprocessor
from machines.c_arrays.tokens import Token, closing, split_at_commas, tokens_of, without_comments
from machines.emulator.catalogue import CatalogueError

MAX_TEXT = 16 * 1024 * 1024
MAX_ENTRIES = 20_000

_MEMBERS = ("driver", "property", "value")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; ``driver`` as written where it is no plain literal; ``line`` in the file read."""

    driver: str
    property: str
    value: str
    line: int


def parse_arrays(text: str, filename: str) -> dict[str, list[Entry]]:
    """Array name → its entries in order, from a C source or a unified diff.

    An array local to a function is named ``function.array``. Of a patch only hunks of C sources
    are read. Raises :class:`CatalogueError`.
    """
    if len(text) > MAX_TEXT:
        raise CatalogueError(filename, f"is larger than {MAX_TEXT // 2**20} MiB")
    arrays: dict[str, list[Entry]] = {}
    begun: dict[str, int] = {}
    macros = dict(BUILT_IN)
    for fragment in fragments(text, filename):
        for name, line, entries in _Reader(fragment, filename, macros).arrays():
            if name in arrays:
                problem = f"{name} is defined again, first on line {begun[name]}"
                raise CatalogueError(f"{filename}:{line}", problem)
            arrays[name] = entries
            begun[name] = line
    return arrays


def to_document(arrays: Mapping[str, Sequence[Entry]]) -> dict[str, list[list[str]]]:
    """The arrays in the form of a catalogue's ``compat`` file."""
    return {
        name: [[entry.driver, entry.property, entry.value] for entry in entries]
        for name, entries in arrays.items()
    }


class _Reader:
    """Finds the arrays of one fragment, following ``#define`` and ``#if`` on the way."""

    def __init__(self, fragment: Fragment, filename: str, macros: dict[str, Macro]) -> None:
        self._fragment = fragment
        self._filename = filename
        self._preprocessor = Preprocessor(fragment, filename, macros)
        text = without_comments(fragment, filename)
        self._tokens = tokens_of(text, fragment.numbers, filename)
        self._position = 0
        self._indented = {
            number
            for number, line in zip(fragment.numbers, fragment.lines, strict=True)
            if line[:1] in {" ", "\t"}
        }

    def arrays(self) -> Iterator[tuple[str, int, list[Entry]]]:
        """(name, line, entries) of every array that the fragment shows as a whole."""
        self._check_beginning()
        depth = 0
        heading = re.match(r"[^(]*?(\w+)\s*\(", self._fragment.heading)
        function = heading[1] if heading else ""
        while (token := self._next()) is not None:
            if token.kind == "directive":
                self._preprocessor.read(token)
            elif self._preprocessor.skipping:
                continue
            elif token.text == "{" and token.kind == "sign":
                depth += 1
            elif token.text == "}" and token.kind == "sign":
                depth = max(0, depth - 1)
            elif token.text == "GlobalProperty" and (name := self._array_header()):
                body = self._body(token)
                if body is not None:
                    # How deep a hunk begins is not known; then its indentation tells.
                    local = depth > 0 if self._fragment.whole else token.line in self._indented
                    full_name = f"{function}.{name}" if local and function else name
                    yield full_name, token.line, self._entries(body)
            elif self._begins_function(token):
                function = token.text
        if self._preprocessor.conditions and self._fragment.whole:
            raise self._fail(self._tokens[-1].line, "#endif is missing")

    def _begins_function(self, token: Token) -> bool:
        named = token.kind == "name" and self._peek(0) == "("
        return named and token.line not in self._indented

    def _fail(self, line: int, problem: str) -> CatalogueError:
        return CatalogueError(f"{self._filename}:{line}", problem)

    def _next(self) -> Token | None:
        if self._position >= len(self._tokens):
            return None
        self._position += 1
        return self._tokens[self._position - 1]

    def _peek(self, offset: int) -> str:
        position = self._position + offset
        return self._tokens[position].text if position < len(self._tokens) else ""

    # --- A hunk that begins within an array

    def _check_beginning(self) -> None:
        """Refuse a hunk that changes an array whose beginning it does not show."""
        fragment = self._fragment
        if fragment.whole:
            return
        heading = re.match(r".*\bGlobalProperty\s+(\w+)\s*\[", fragment.heading)
        if fragment.heading and heading is None:
            return  # it begins within something else
        end = self._end_of_beginning()
        if end is None and any(token.text == "GlobalProperty" for token in self._tokens):
            return  # a new array begins, so that no other one is open
        last = end if end is not None else max(fragment.numbers, default=0) + 1
        touched = [number for number in sorted(fragment.changed) if number < last]
        if touched and (heading or self._has_entry(last)):
            name = heading[1] if heading else "an array"
            problem = f"changes {name}, of which the patch shows only a part: import the source"
            raise self._fail(touched[0], problem)

    def _end_of_beginning(self) -> int | None:
        """The line of the first closing brace that no opening one in the hunk belongs to."""
        depth = 0
        for token in self._tokens:
            if token.kind == "name" and token.text == "GlobalProperty" and depth == 0:
                return None
            if token.kind == "sign" and token.text in "{}":
                depth += 1 if token.text == "{" else -1
                if depth < 0:
                    return token.line
        return None

    def _has_entry(self, last: int) -> bool:
        """Do the lines before ``last`` look like entries: braces around three texts or names?"""
        shape = "".join(
            {"text": "t", "name": "t", "sign": token.text}.get(token.kind, "?")
            for token in self._tokens
            if token.line < last
        )
        return re.search(r"\{t+,t+,t+,?\}", shape) is not None

    # --- One array

    def _array_header(self) -> str:
        """The name, having read ``NAME [...] = {``; empty and nothing read where it is no array."""
        begin = self._position
        name = self._next()
        if name is None or name.kind != "name" or self._peek(0) != "[":
            self._position = begin
            return ""
        self._position += 1
        while (token := self._next()) is not None and token.text != "]":
            if token.text in {";", "{", "["}:
                break
        if [self._peek(0), self._peek(1)] != ["=", "{"]:
            self._position = begin
            return ""
        self._position += 2
        return name.text

    def _body(self, header: Token) -> list[Token] | None:
        """The tokens between the array's braces; None where a hunk shows no end of it."""
        body: list[Token] = []
        conditions = self._preprocessor.conditions
        outside = len(conditions)
        depth = 1
        while (token := self._next()) is not None:
            if token.kind == "directive":
                self._preprocessor.read(token)
                if None in conditions[outside:]:
                    problem = f"cannot tell whether {token.text.strip()!r:.60} holds"
                    raise self._fail(token.line, problem)
                continue
            if False in conditions[outside:]:
                continue
            if token.kind == "sign" and token.text in "{}":
                depth += 1 if token.text == "{" else -1
                if depth == 0:
                    return body
            body.append(token)
        shown = [number for number in self._fragment.changed if number >= header.line]
        if self._fragment.whole:
            raise self._fail(header.line, "the array has no end")
        if shown:
            problem = "the patch shows only the beginning of this array: import the source"
            raise self._fail(header.line, problem)
        return None

    def _entries(self, body: list[Token]) -> list[Entry]:
        entries: list[Entry] = []
        position = 0
        expanded = self._preprocessor.expand(body)
        while position < len(expanded):
            token = expanded[position]
            if token.text == "," and token.kind == "sign":
                position += 1
                continue
            if token.text != "{" or token.kind != "sign":
                found = f"uses {token.text}, not defined in this file"
                if token.kind != "name":
                    found = f"has {token.text!r:.60} where an entry should begin"
                raise self._fail(token.line, f"the array {found}")
            end = closing(expanded, position)
            if end is None:
                raise self._fail(token.line, "the entry has no end")
            entry = self._entry(token.line, expanded[position + 1 : end])
            if entry is not None:
                entries.append(entry)
            if len(entries) > MAX_ENTRIES:
                raise self._fail(token.line, f"the array has more than {MAX_ENTRIES} entries")
            position = end + 1
        return entries

    def _entry(self, line: int, tokens: list[Token]) -> Entry | None:
        parts = split_at_commas(tokens)
        if not parts or (len(parts) == 1 and [t.text for t in parts[0]] in (["NULL"], ["0"])):
            return None  # end of list
        found: dict[str, list[Token]] = {}
        following = 0
        for part in parts:
            if len(part) > 2 and (part[0].kind, part[0].text, part[2].text) == ("sign", ".", "="):
                member, part = part[1].text, part[3:]
                following = _MEMBERS.index(member) + 1 if member in _MEMBERS else following
            elif following < len(_MEMBERS):
                member = _MEMBERS[following]
                following += 1
            else:
                raise self._fail(line, "the entry has more than driver, property and value")
            if member in {*_MEMBERS, "optional", "used"}:
                found[member] = part
            else:
                raise self._fail(line, f"GlobalProperty has no member {member!r:.60}")
        missing = [member for member in _MEMBERS if not found.get(member)]
        if missing:
            raise self._fail(line, f"the entry has no {missing[0]}")
        return Entry(
            self._driver(found["driver"], line),
            self._literal(found["property"], "property", line),
            self._literal(found["value"], "value", line),
            line,
        )

    def _driver(self, tokens: list[Token], line: int) -> str:
        tokens = _without_parentheses(tokens)
        if not tokens or any(token.kind not in {"text", "name"} for token in tokens):
            raise self._fail(line, "the driver should be a text or the name of a macro")
        if all(token.kind == "text" for token in tokens):
            return "".join(token.text for token in tokens)
        if len(tokens) == 1:
            return tokens[0].text
        return " ".join(
            f'"{token.text}"' if token.kind == "text" else token.text for token in tokens
        )

    def _literal(self, tokens: list[Token], member: str, line: int) -> str:
        tokens = _without_parentheses(tokens)
        for token in tokens:
            if token.kind == "name":
                raise self._fail(line, f"the {member} uses {token.text}, not defined in this file")
            if token.kind != "text":
                raise self._fail(line, f"the {member} should be a text, found {token.text!r:.60}")
        return "".join(token.text for token in tokens)


def _without_parentheses(tokens: list[Token]) -> list[Token]:
    """What is in them; a text that reads like one is none."""
    return [token for token in tokens if token.kind != "sign" or token.text not in "()"]
