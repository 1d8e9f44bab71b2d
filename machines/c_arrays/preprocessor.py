"""What of the C preprocessor the arrays need: conditions that a number decides, and macros."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from machines.c_arrays.fragments import Fragment
from machines.c_arrays.tokens import Token, closing, split_at_commas, tokens_of
from machines.emulator.catalogue import CatalogueError

MAX_MACRO_DEPTH = 32
MAX_EXPANSION = 200_000


@dataclass(frozen=True, slots=True)
class Macro:
    """What a ``#define`` defines; ``parameters`` is None where it takes none."""

    body: tuple[Token, ...]
    parameters: tuple[str, ...] | None = None


_X86_NAME = (
    Token("name", "name", 0),
    Token("text", "-", 0),
    Token("name", "TYPE_X86_CPU", 0),
)
_STRINGIFY = frozenset({"stringify", "xstr", "__stringify"})
#: Macros of QEMU's headers that its compat arrays use (target/i386/cpu-qom.h).
BUILT_IN = {"X86_CPU_TYPE_NAME": Macro(_X86_NAME, ("name",))}


class Preprocessor:
    """The conditions that are open, and the macros that are known, while a fragment is read.

    ``macros`` are those of the fragments before, and are added to.
    """

    def __init__(self, fragment: Fragment, filename: str, macros: dict[str, Macro]) -> None:
        self._fragment = fragment
        self._filename = filename
        self._macros = macros
        # One per open #if: is its present branch read? None where only the build can tell.
        self.conditions: list[bool | None] = []
        # One per open #if: was a branch read already, or may it have been?
        self._taken: list[bool] = []

    @property
    def skipping(self) -> bool:
        """Whether what follows is not compiled."""
        return False in self.conditions

    def expand(self, tokens: Sequence[Token]) -> list[Token]:
        """An array's body with its macros expanded. Raises :class:`CatalogueError`."""
        return _Expansion(self._macros, self._filename).run(tokens)

    def read(self, token: Token) -> None:
        """Follow one directive. Raises :class:`CatalogueError`."""
        match = re.match(r"[ \t]*#[ \t]*(\w*)[ \t]*(.*)", token.text.replace("\\\n", " "), re.S)
        word, rest = (match[1], match[2].strip()) if match else ("", "")
        if word in {"if", "ifdef", "ifndef"}:
            holds = _truth(rest) if word == "if" else None
            self.conditions.append(holds)
            self._taken.append(holds is not False)
        elif word in {"else", "elif", "endif"}:
            self._end_branch(word, rest, token)
        elif self.skipping:
            return
        elif word == "define":
            self._define(rest, token)
        elif word == "undef":
            self._macros.pop(rest, None)

    def _end_branch(self, word: str, condition: str, token: Token) -> None:
        if not self.conditions:
            if self._fragment.whole:
                raise CatalogueError(f"{self._filename}:{token.line}", f"#{word} without #if")
            return  # its #if is above the hunk
        self.conditions.pop()
        taken = self._taken.pop()
        if word != "endif":
            holds = _truth(condition) if word == "elif" else True
            self.conditions.append(False if taken else holds)
            self._taken.append(taken or holds is not False)

    def _define(self, text: str, token: Token) -> None:
        match = re.match(r"([A-Za-z_]\w*)(\([^)]*\))?", text, re.ASCII)
        if match is None:
            return
        body = tokens_of(text[match.end() :], (token.line,), self._filename)
        parameters = None
        if match[2] is not None:
            parameters = tuple(name.strip() for name in match[2][1:-1].split(",") if name.strip())
        self._macros[match[1]] = Macro(tuple(body), parameters)


def _truth(condition: str) -> bool | None:
    """What a condition says where a number says it; None where it depends on the build."""
    if re.fullmatch(r"\(?\s*0[ul]*\s*\)?", condition, re.IGNORECASE):
        return False
    if re.fullmatch(r"\(?\s*1[ul]*\s*\)?", condition, re.IGNORECASE):
        return True
    return None


class _Expansion:
    """Macro expansion of one array's body, within limits of depth and of tokens made or scanned."""

    def __init__(self, macros: Mapping[str, Macro], filename: str) -> None:
        self._macros = macros
        self._filename = filename
        self._left = MAX_EXPANSION

    def run(
        self, tokens: Sequence[Token], within: frozenset[str] = frozenset(), depth: int = 0
    ) -> list[Token]:
        result: list[Token] = []
        position = 0
        while position < len(tokens):
            token = tokens[position]
            position += 1
            known = token.kind == "name" and token.text not in within
            macro = self._macros.get(token.text) if known else None
            stringifies = known and token.text in _STRINGIFY
            if depth:
                self._spend(1, token, depth)
            if macro is None and not stringifies:
                result.append(token)
                continue
            end = self._end_of_call(tokens, position, token, depth)
            if stringifies and end is not None:
                inner = self.run(tokens[position + 1 : end], within, depth + 1)
                result.append(Token("text", "".join(part.text for part in inner), token.line))
                position = end + 1
                continue
            if macro is None or (macro.parameters is not None and end is None):
                result.append(token)
                continue
            body = [part._replace(line=token.line) for part in macro.body]
            if macro.parameters is not None and end is not None:
                body = self._filled(macro, body, split_at_commas(tokens[position + 1 : end]), token)
                position = end + 1
            result += self.run(body, within | {token.text}, depth + 1)
        return result

    def _end_of_call(
        self, tokens: Sequence[Token], position: int, token: Token, depth: int
    ) -> int | None:
        """Where the arguments that begin at ``position`` end; None where none begin or end."""
        if position >= len(tokens) or tokens[position].text != "(":
            return None
        end = closing(tokens, position)
        self._spend((len(tokens) if end is None else end) - position, token, depth)
        return end

    def _spend(self, tokens: int, token: Token, depth: int) -> None:
        self._left -= tokens
        if self._left < 0 or depth > MAX_MACRO_DEPTH:
            raise CatalogueError(f"{self._filename}:{token.line}", "the macros expand too far")

    def _filled(
        self, macro: Macro, body: list[Token], arguments: list[list[Token]], token: Token
    ) -> list[Token]:
        names = macro.parameters or ()
        if len(names) != len(arguments):
            problem = f"{token.text} takes {len(names)} arguments, {len(arguments)} given"
            raise CatalogueError(f"{self._filename}:{token.line}", problem)
        values = dict(zip(names, arguments, strict=True))
        filled: list[Token] = []
        for part in body:
            given = values.get(part.text) if part.kind == "name" else None
            self._spend(len(given or ()), token, 0)
            filled += [item._replace(line=token.line) for item in given] if given else [part]
        return filled
