"""The ``GlobalProperty`` arrays of QEMU's C sources, read from a source file or from a patch.

    >>> text = 'GlobalProperty hw_compat_9_2[] = {{ "foo", "x", "on" },};'
    >>> parse_arrays(text, "machine.c")
    {'hw_compat_9_2': [Entry(driver='foo', property='x', value='on', line=1)]}

Understood: comments, ``#define`` with and without parameters, ``#if 0``, designated initialisers,
adjacent string literals, ``stringify()``, the empty end-of-list entry. Of a unified diff the new
side is read. What cannot be read is a :class:`CatalogueError` that names file and line; nothing
is guessed: a patch that changes an array of which it shows only a part is such an error.

No Django here: the child process of :mod:`machines.parsing` runs this.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from machines.emulator.catalogue import CatalogueError

MAX_TEXT = 16 * 1024 * 1024
MAX_TOKENS = 2_000_000
MAX_MACRO_DEPTH = 32
MAX_EXPANSION = 200_000
MAX_ENTRIES = 20_000

#: Suffixes of the files that :func:`parse_arrays` reads.
SUFFIXES = (".c", ".h", ".inc", ".patch", ".diff")
_SOURCES = (".c", ".h", ".inc")


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
    macros = dict(_BUILT_IN)
    for fragment in _fragments(text, filename):
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


# --- Fragments: a whole source, or the new side of a patch's hunks --------------------------------


@dataclass(frozen=True, slots=True)
class _Fragment:
    """Lines that stand together: ``numbers[i]`` is the place of ``lines[i]`` in the file read.

    ``changed`` are the numbers of added lines and of those before which one was removed.
    ``heading`` is what a hunk's header says of the code above it. A whole source has none.
    """

    lines: tuple[str, ...]
    numbers: tuple[int, ...]
    changed: frozenset[int] = frozenset()
    heading: str = ""
    whole: bool = False


_HUNK = re.compile(r"^@@ -\d{1,9}(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.*)")


def _fragments(text: str, filename: str) -> list[_Fragment]:
    lines = text.replace("\r\n", "\n").split("\n")  # splitlines would count a form feed too
    if not any(_HUNK.match(line) for line in lines):
        numbers = tuple(range(1, len(lines) + 1))
        return [_Fragment(tuple(lines), numbers, whole=True)]
    return [hunk.fragment() for hunk in _joined(_hunks(lines, filename))]


@dataclass(slots=True)
class _Hunk:
    """The new side of one hunk; ``file`` counts the patched files, ``begin`` is its first line."""

    file: int
    begin: int
    heading: str
    lines: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)

    def fragment(self) -> _Fragment:
        return _Fragment(
            tuple(self.lines), tuple(self.numbers), frozenset(self.changed), self.heading
        )


def _hunks(lines: Sequence[str], filename: str) -> Iterator[_Hunk]:
    file = 0
    position = 0
    is_source = True
    while position < len(lines):
        if lines[position].startswith(("diff ", "--- ")):
            file += 1
        elif lines[position].startswith("+++ "):
            target = lines[position].split()[1:2] or [""]
            is_source = target[0].endswith(_SOURCES)
        header = _HUNK.match(lines[position])
        position += 1
        if header is None:
            continue
        hunk = _Hunk(file, int(header[2]), header[4])
        old, new = int(header[1] or 1), int(header[3] or 1)
        while old > 0 or new > 0:
            if position >= len(lines):
                raise CatalogueError(f"{filename}:{position}", "the patch ends within a hunk")
            line, number = lines[position], position + 1
            position += 1
            mark = line[:1]
            if mark == "\\":  # "\ No newline at end of file"
                continue
            if mark not in {"+", "-", " ", ""}:
                raise CatalogueError(f"{filename}:{number}", "is no line of a unified diff")
            old -= mark != "+"
            new -= mark != "-"
            if mark == "-":
                hunk.changed.add(number)
                continue
            hunk.lines.append(line[1:])
            hunk.numbers.append(number)
            if mark == "+":
                hunk.changed.add(number)
        if is_source:
            yield hunk


def _joined(hunks: Iterator[_Hunk]) -> Iterator[_Hunk]:
    """Hunks of one file that follow each other without a gap, as one."""
    last: _Hunk | None = None
    for hunk in hunks:
        if last is None:
            last = hunk
        elif hunk.file == last.file and hunk.begin == last.begin + len(last.lines):
            last.lines += hunk.lines
            last.numbers += hunk.numbers
            last.changed |= hunk.changed
        else:
            yield last
            last = hunk
    if last is not None:
        yield last


# --- Tokens ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Token:
    """``kind``: name, text (a string literal, unescaped), character, number, directive or sign."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class _Macro:
    body: tuple[_Token, ...]
    parameters: tuple[str, ...] | None = None


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
    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "x" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8))
        return _ESCAPED.get(code, code)

    return _ESCAPE.sub(one, literal[1:-1])


def _tokens(text: str, numbers: Sequence[int]) -> list[_Token]:
    """Tokens of comment-free text; ``numbers[i]`` is the line number of its line *i*."""
    starts = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
    tokens = []
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        line = numbers[min(bisect_right(starts, match.start()) - 1, len(numbers) - 1)]
        written = match[0]
        tokens.append(_Token(kind, _unescape(written) if kind == "text" else written, line))
    return tokens


def _without_comments(fragment: _Fragment, filename: str) -> str:
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


# --- Arrays ---------------------------------------------------------------------------------------

_X86_NAME = (
    _Token("name", "name", 0),
    _Token("text", "-", 0),
    _Token("name", "TYPE_X86_CPU", 0),
)
#: Macros of QEMU's headers that its compat arrays use (target/i386/cpu-qom.h).
_BUILT_IN = {"X86_CPU_TYPE_NAME": _Macro(_X86_NAME, ("name",))}
_MEMBERS = ("driver", "property", "value")


class _Reader:
    """Finds the arrays of one fragment, following ``#define`` and ``#if`` on the way."""

    def __init__(self, fragment: _Fragment, filename: str, macros: dict[str, _Macro]) -> None:
        self._fragment = fragment
        self._filename = filename
        self._macros = macros
        self._tokens = _tokens(_without_comments(fragment, filename), fragment.numbers)
        self._position = 0
        self._indented = {
            number
            for number, line in zip(fragment.numbers, fragment.lines, strict=True)
            if line[:1] in {" ", "\t"}
        }
        # One per open #if: is its present branch read? None where only the build can tell.
        self._conditions: list[bool | None] = []
        # One per open #if: was a branch read already, or may it have been?
        self._taken: list[bool] = []
        if len(self._tokens) > MAX_TOKENS:
            raise CatalogueError(filename, f"has more than {MAX_TOKENS} tokens")

    def arrays(self) -> Iterator[tuple[str, int, list[Entry]]]:
        """(name, line, entries) of every array that the fragment shows as a whole."""
        self._check_beginning()
        depth = 0
        heading = re.match(r"[^(]*?(\w+)\s*\(", self._fragment.heading)
        function = heading[1] if heading else ""
        while (token := self._next()) is not None:
            if token.kind == "directive":
                self._directive(token)
            elif False in self._conditions:
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
        if self._conditions and self._fragment.whole:
            raise self._fail(self._tokens[-1].line, "#endif is missing")

    def _begins_function(self, token: _Token) -> bool:
        named = token.kind == "name" and self._peek(0) == "("
        return named and token.line not in self._indented

    def _fail(self, line: int, problem: str) -> CatalogueError:
        return CatalogueError(f"{self._filename}:{line}", problem)

    def _next(self) -> _Token | None:
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

    # --- The preprocessor

    def _directive(self, token: _Token) -> None:
        match = re.match(r"[ \t]*#[ \t]*(\w*)[ \t]*(.*)", token.text.replace("\\\n", " "), re.S)
        word, rest = (match[1], match[2].strip()) if match else ("", "")
        if word in {"if", "ifdef", "ifndef"}:
            holds = _truth(rest) if word == "if" else None
            self._conditions.append(holds)
            self._taken.append(holds is not False)
        elif word in {"else", "elif", "endif"}:
            self._end_branch(word, rest, token)
        elif False in self._conditions:
            return
        elif word == "define":
            self._define(rest, token)
        elif word == "undef":
            self._macros.pop(rest, None)

    def _end_branch(self, word: str, condition: str, token: _Token) -> None:
        if not self._conditions:
            if self._fragment.whole:
                raise self._fail(token.line, f"#{word} without #if")
            return  # its #if is above the hunk
        self._conditions.pop()
        taken = self._taken.pop()
        if word != "endif":
            holds = _truth(condition) if word == "elif" else True
            self._conditions.append(False if taken else holds)
            self._taken.append(taken or holds is not False)

    def _define(self, text: str, token: _Token) -> None:
        match = re.match(r"([A-Za-z_]\w*)(\([^)]*\))?", text, re.ASCII)
        if match is None:
            return
        body = _tokens(text[match.end() :], (token.line,))
        parameters = None
        if match[2] is not None:
            parameters = tuple(name.strip() for name in match[2][1:-1].split(",") if name.strip())
        self._macros[match[1]] = _Macro(tuple(body), parameters)

    # --- One array

    def _array_header(self) -> str:
        """The name, having read ``NAME [...] = {``; empty and nothing read where it is no array."""
        begin = self._position
        name = self._next()
        if name is None or name.kind != "name" or self._peek(0) != "[":
            self._position = begin
            return ""
        while (token := self._next()) is not None and token.text != "]":
            if token.text in {";", "{"}:
                break
        if [self._peek(0), self._peek(1)] != ["=", "{"]:
            self._position = begin
            return ""
        self._position += 2
        return name.text

    def _body(self, header: _Token) -> list[_Token] | None:
        """The tokens between the array's braces; None where a hunk shows no end of it."""
        body: list[_Token] = []
        outside = len(self._conditions)
        depth = 1
        while (token := self._next()) is not None:
            if token.kind == "directive":
                self._directive(token)
                if None in self._conditions[outside:]:
                    problem = f"cannot tell whether {token.text.strip()!r:.60} holds"
                    raise self._fail(token.line, problem)
                continue
            if False in self._conditions[outside:]:
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

    def _entries(self, body: list[_Token]) -> list[Entry]:
        entries: list[Entry] = []
        position = 0
        expanded = _Expansion(self._macros, self._filename).run(body)
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
            end = _closing(expanded, position)
            if end is None:
                raise self._fail(token.line, "the entry has no end")
            entry = self._entry(token.line, expanded[position + 1 : end])
            if entry is not None:
                entries.append(entry)
            if len(entries) > MAX_ENTRIES:
                raise self._fail(token.line, f"the array has more than {MAX_ENTRIES} entries")
            position = end + 1
        return entries

    def _entry(self, line: int, tokens: list[_Token]) -> Entry | None:
        parts = _split(tokens)
        if not parts or (len(parts) == 1 and [t.text for t in parts[0]] in (["NULL"], ["0"])):
            return None  # end of list
        found: dict[str, list[_Token]] = {}
        following = 0
        for part in parts:
            if len(part) > 2 and part[0].text == "." and part[2].text == "=":
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

    def _driver(self, tokens: list[_Token], line: int) -> str:
        tokens = [token for token in tokens if token.text not in {"(", ")"}]
        if not tokens or any(token.kind not in {"text", "name"} for token in tokens):
            raise self._fail(line, "the driver should be a text or the name of a macro")
        if all(token.kind == "text" for token in tokens):
            return "".join(token.text for token in tokens)
        if len(tokens) == 1:
            return tokens[0].text
        return " ".join(
            f'"{token.text}"' if token.kind == "text" else token.text for token in tokens
        )

    def _literal(self, tokens: list[_Token], member: str, line: int) -> str:
        tokens = [token for token in tokens if token.text not in {"(", ")"}]
        for token in tokens:
            if token.kind == "name":
                raise self._fail(line, f"the {member} uses {token.text}, not defined in this file")
            if token.kind != "text":
                raise self._fail(line, f"the {member} should be a text, found {token.text!r:.60}")
        return "".join(token.text for token in tokens)


def _truth(condition: str) -> bool | None:
    """What a condition says where a number says it; None where it depends on the build."""
    if re.fullmatch(r"\(?\s*0[ul]*\s*\)?", condition, re.IGNORECASE):
        return False
    if re.fullmatch(r"\(?\s*1[ul]*\s*\)?", condition, re.IGNORECASE):
        return True
    return None


def _closing(tokens: Sequence[_Token], begin: int) -> int | None:
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


def _split(tokens: Sequence[_Token]) -> list[list[_Token]]:
    """The parts between top-level commas; none for an empty part, such as after the last comma."""
    parts: list[list[_Token]] = [[]]
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


class _Expansion:
    """Macro expansion of one array's body, within limits of depth and length."""

    def __init__(self, macros: Mapping[str, _Macro], filename: str) -> None:
        self._macros = macros
        self._filename = filename
        self._left = MAX_EXPANSION

    def run(
        self, tokens: Sequence[_Token], within: frozenset[str] = frozenset(), depth: int = 0
    ) -> list[_Token]:
        result: list[_Token] = []
        position = 0
        while position < len(tokens):
            token = tokens[position]
            position += 1
            self._spend(token, depth)
            if token.kind != "name" or token.text in within:
                result.append(token)
                continue
            calls = position < len(tokens) and tokens[position].text == "("
            end = _closing(tokens, position) if calls else None
            if token.text in {"stringify", "xstr", "__stringify"} and end is not None:
                inner = self.run(tokens[position + 1 : end], within, depth + 1)
                result.append(replace(token, kind="text", text="".join(t.text for t in inner)))
                position = end + 1
                continue
            macro = self._macros.get(token.text)
            if macro is None or (macro.parameters is not None and end is None):
                result.append(token)
                continue
            body = [replace(part, line=token.line) for part in macro.body]
            if macro.parameters is not None and end is not None:
                body = self._filled(macro, body, _split(tokens[position + 1 : end]), token)
                position = end + 1
            result += self.run(body, within | {token.text}, depth + 1)
        return result

    def _spend(self, token: _Token, depth: int) -> None:
        self._left -= 1
        if self._left < 0 or depth > MAX_MACRO_DEPTH:
            raise CatalogueError(f"{self._filename}:{token.line}", "the macros expand too far")

    def _filled(
        self, macro: _Macro, body: list[_Token], arguments: list[list[_Token]], token: _Token
    ) -> list[_Token]:
        names = macro.parameters or ()
        if len(names) != len(arguments):
            problem = f"{token.text} takes {len(names)} arguments, {len(arguments)} given"
            raise CatalogueError(f"{self._filename}:{token.line}", problem)
        values = dict(zip(names, arguments, strict=True))
        filled: list[_Token] = []
        for part in body:
            given = values.get(part.text) if part.kind == "name" else None
            filled += [replace(item, line=token.line) for item in given] if given else [part]
            self._left -= len(given or ())
        return filled
