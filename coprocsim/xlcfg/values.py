"""What a config's values are: texts and lists with their places, and the reading of escapes and integers.

Whether a key may be a list, and which integers it allows, is the reader's business.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from coprocsim.model import CfgValue

LONG_MIN = -(2**63)
LONG_MAX = 2**63 - 1

_ESCAPES = dict(zip(b"\"'\\abfnrtv", b"\"'\\\a\b\f\n\r\t\v", strict=True))
_OCTAL_DIGITS = b"01234567"
# strtoul(…, 10) over three bytes.
_THREE_BYTES = re.compile(rb"[ \t\n\v\f\r]*[+-]?[0-9]+")
# strtol(…, 0) over everything.
_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))")


class BadEscape(ValueError):  # noqa: N818 - carries a place for a CfgError, is none itself
    """A string that holds what it must not: an unknown escape, half a numeric one, or a byte that is zero."""

    def __init__(self, kind: str, start: int, end: int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.start = start
        self.end = end


class NotAnInteger(ValueError):  # noqa: N818 - as BadEscape
    """A text that C's strtol does not take as a whole, or that overflows."""


class Piece(NamedTuple):
    """A string or number as it stands in the source, quotes included, and the bytes that it means."""

    start: int
    end: int
    data: bytes


@dataclass(slots=True)
class Text:
    """A string or number; several pieces where `+=` has appended to it."""

    pieces: list[Piece]

    @property
    def data(self) -> bytes:
        """The bytes that it means."""
        return b"".join(piece.data for piece in self.pieces)


@dataclass(slots=True)
class Items:
    """A list, from its opening to its closing bracket."""

    values: "list[Node]"
    start: int
    end: int


Node: TypeAlias = Text | Items


@dataclass(slots=True)
class Assignment:
    """`name = value`, or `name += value` when `added`; `start` and `end` are the name's."""

    name: str
    start: int
    end: int
    added: bool
    value: Node


def place_of(node: Node) -> tuple[int, int]:
    """Return where a value stands: the last piece of a text that has several."""
    return (node.start, node.end) if isinstance(node, Items) else node.pieces[-1][:2]


def plain(node: Node, undecodable: str = "surrogateescape") -> CfgValue:
    """Return the value as text and lists; as deeply nested as it may be, this needs no recursion.

    `undecodable` says what becomes of bytes that are no UTF-8, in the words of `bytes.decode`.
    """
    if isinstance(node, Text):
        return node.data.decode("utf-8", undecodable)
    root: list[CfgValue] = []
    waiting: list[tuple[Items, list[CfgValue]]] = [(node, root)]
    while waiting:
        items, into = waiting.pop()
        for value in items.values:
            if isinstance(value, Text):
                into.append(value.data.decode("utf-8", undecodable))
            else:
                inner: list[CfgValue] = []
                into.append(inner)
                waiting.append((value, inner))
    return root


def read_string(raw: bytes, start: int) -> Piece:
    """Return the string whose quoted form `raw` stands at `start`; BadEscape where it has an escape that xl refuses."""
    end = start + len(raw)
    if b"\0" in raw:
        raise BadEscape("zero byte", start + raw.index(b"\0"), start + raw.index(b"\0") + 1)
    if b"\\" not in raw:
        return Piece(start, end, raw[1:-1])
    return Piece(start, end, bytes(code for _, code in _bytes_of(raw, start)))


def offsets(piece: Piece, raw: bytes) -> list[int]:
    """Return for each byte that a piece means where in the source it comes from, and where the last one ends."""
    if raw[:1] not in {b'"', b"'"}:
        return list(range(piece.start, piece.end + 1))
    return [*(at for at, _ in _bytes_of(raw, piece.start)), piece.end - 1]


def _bytes_of(raw: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Go through a quoted string and yield the place and value of each byte that it means."""
    at, last = 1, len(raw) - 1
    while at < last:
        if raw[at] != ord("\\"):
            yield start + at, raw[at]
            at += 1
            continue
        escaped = raw[at + 1]
        if escaped in _ESCAPES:
            yield start + at, _ESCAPES[escaped]
            at += 2
        else:
            at += _numeric_escape(raw, at, start)


def _numeric_escape(raw: bytes, at: int, start: int) -> int:
    """Return how many bytes the escape at `at` takes, the original's way: decimal, and without any meaning."""
    if raw[at + 1] not in _OCTAL_DIGITS:
        raise BadEscape("unknown", start + at, start + at + 2)
    digits = _THREE_BYTES.match(raw, at + 2, min(at + 5, len(raw)))
    if digits is None or digits.end() - digits.start() < 2:
        raise BadEscape("numeric", start + at, start + at + 2)
    return 2 + digits.end() - digits.start()


def integer(text: str) -> int:
    """Return the integer that C's `strtol(text, &end, 0)` reads; NotAnInteger unless it reads all of it."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise NotAnInteger(text)
    sign, hexadecimal, octal, decimal = match.groups()
    if hexadecimal is not None:
        digits, base = hexadecimal, 16
    elif decimal is not None:
        digits, base = decimal, 10
    else:
        digits, base = octal or "0", 8
    # Python refuses to convert thousands of digits; no more than 64 bits' worth can be in range.
    digits = digits.lstrip("0") or "0"
    value = int(digits, base) if len(digits) <= 22 else LONG_MAX + 2
    value = -value if sign == "-" else value
    if not LONG_MIN <= value <= LONG_MAX:
        raise NotAnInteger(text)
    return value
