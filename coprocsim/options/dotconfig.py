"""A `.config` as text: its lines to assignments with their places. What they mean is left to `kconfig`."""

import re
from dataclasses import dataclass

from coprocsim.errors import OptionError, Span

PREFIX = "CONFIG_"

_SET = re.compile(r"CONFIG_(?P<name>\w+)=(?P<value>.*)", re.ASCII)
_NOT_SET = re.compile(r"# CONFIG_(?P<name>\w+) is not set", re.ASCII)
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Assignment:
    """An option and its value as written, a string in its quotes; without a place it comes from the command line."""

    name: str
    value: str
    place: Span | None = None

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


def parse(data: bytes, path: str) -> list[Assignment]:
    """Return the assignments of a file in their order; OptionError for the first line that is none and no comment."""
    found = []
    for number, line in enumerate(_text(data, path).split("\n"), 1):
        written = line.rstrip()
        match = _SET.fullmatch(written) or _NOT_SET.fullmatch(written)
        if match is not None:
            column, name = match.start("name") - len(PREFIX) + 1, PREFIX + match["name"]
            span = Span(path, number, column, len(name), written)
            found.append(Assignment(match["name"], match.groupdict().get("value", "n"), span))
        elif written and not written.startswith("#"):
            raise OptionError(
                "neither an option nor a comment",
                Span(path, number, 1, len(written), written),
                hint="write `CONFIG_NAME=value`, `# CONFIG_NAME is not set`, or `# a comment`",
            )
    return found


def _text(data: bytes, path: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_text(path, data, error.start) from error
    odd = _NOT_TEXT.search(text)
    if odd is not None:
        raise _no_text(path, data, data.index(odd[0].encode()))
    return text


def _no_text(path: str, data: bytes, at: int) -> OptionError:
    """Return the error for a file that is not a text; its line is not shown, as a terminal might obey it."""
    error = OptionError(
        "not a `.config`",
        None,
        why=f"line {data.count(10, 0, at) + 1} holds the byte {data[at]:#04x}, which is no text",
        hint="`coprocsim config set NAME=VALUE --file FILE` writes one",
    )
    error.path = path
    return error
