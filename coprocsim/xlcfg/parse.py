"""Text to assignments, by the grammar in `grammar.lark`; nothing here knows what a key means.

What is wrong with a text that the grammar refuses, `mistakes.py` puts into words.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedToken, v_args

from coprocsim.xlcfg import mistakes
from coprocsim.xlcfg.source import Source
from coprocsim.xlcfg.values import Assignment, BadEscape, Items, Node, Piece, Text, read_string

# The original's parser is bison's, which gives up at so many entries on its stack: lists nested 4,996 deep.
_STACK_ENTRIES = 10_000
_BEFORE_NEWLINES = frozenset({"OPEN", "_COMMA", "STRING", "NUMBER"})


def assignments(source: Source) -> list[Assignment]:
    """Return what a config says, in its order, before `+=` is applied; CfgError where Xen's own parser refuses it."""
    read = mistakes.Read()
    try:
        return _parse(source, read)
    except UnexpectedCharacters as error:
        at = error.pos_in_stream
        assert at is not None
        raise mistakes.bad_character(source, at, read) from None
    except UnexpectedToken as error:
        raise mistakes.bad_token(source, error.token, read) from None
    except BadEscape as error:
        raise mistakes.bad_escape(source, error) from None


def final(source: Source, statements: Iterable[Assignment]) -> dict[str, Assignment]:
    """Return each name's last assignment, with all that `+=` has added to it; lists are extended in place."""
    settings: dict[str, Assignment] = {}
    for statement in statements:
        earlier = settings.get(statement.name)
        if statement.added and earlier is not None:
            statement.value = _sum(source, earlier.value, statement)
        settings[statement.name] = statement
    return settings


def _sum(source: Source, before: Node, statement: Assignment) -> Node:
    """Return what `statement` makes of the value `before`, without copying it: a file may add a million times."""
    after = statement.value
    if isinstance(before, Text) and isinstance(after, Text):
        before.pieces.extend(after.pieces)
        return before
    if isinstance(before, Items) and isinstance(after, Items):
        before.values.extend(after.values)
        return Items(before.values, after.start, after.end)
    raise mistakes.bad_sum(source, before, statement)


def _parse(source: Source, read: mistakes.Read) -> list[Assignment]:
    """Parse, token by token, up to the size of the original's stack."""
    state = _grammar().parse_interactive(source.data.decode("latin-1"))
    stack = state.parser_state.state_stack
    for token in state.lexer_thread.lex(state.parser_state):  # type: ignore[no-untyped-call]
        state.feed_token(token)
        # The original makes room for newlines before it looks at what follows.
        if len(stack) + (token.type in _BEFORE_NEWLINES) >= _STACK_ENTRIES:
            raise mistakes.too_deep(source, token)
        read.note(token)
    end = len(source.data)
    statements: list[Assignment] = state.feed_token(Token("$END", "", start_pos=end, end_pos=end))
    return statements


@cache
def _grammar() -> Lark:
    # Lark's contextual lexer would take a byte for the ignored last one where the original sees a token.
    text = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    return Lark(text, start="file", parser="lalr", lexer="basic", transformer=_Build(), maybe_placeholders=False)


@v_args(inline=True)
class _Build(Transformer[Token, list[Assignment]]):
    """The rules' values, made while parsing: no tree, and no recursion over it."""

    def no_statements(self) -> list[Assignment]:
        return []

    def statement(self, statements: list[Assignment], one: Assignment) -> list[Assignment]:
        statements.append(one)
        return statements

    def empty_statement(self, statements: list[Assignment]) -> list[Assignment]:
        return statements

    def file(self, statements: list[Assignment], last: Assignment | None = None) -> list[Assignment]:
        return statements if last is None else self.statement(statements, last)

    def assignment(self, name: Token, operator: Token, value: Node) -> Assignment:
        start = _start(name)
        return Assignment(str(name), start, start + len(name), operator.type == "ADD", value)

    def text(self, token: Token) -> Text:
        raw, start = token.encode("latin-1"), _start(token)
        return Text([Piece(start, start + len(raw), raw) if token.type == "NUMBER" else read_string(raw, start)])

    def items(self, opened: Token, values: list[Node], closed: Token) -> Items:
        return Items(values, _start(opened), _start(closed) + 1)

    def values_or_none(self, values: list[Node] | None = None) -> list[Node]:
        return values or []

    def first_value(self, value: Node) -> list[Node]:
        return [value]

    def next_value(self, values: list[Node], value: Node) -> list[Node]:
        values.append(value)
        return values


def _start(token: Token) -> int:
    assert token.start_pos is not None
    return token.start_pos
