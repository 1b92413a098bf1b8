"""The text of a config, and the places in it.

A config comes as bytes in which places are offsets; people are shown lines and columns of characters. What xl's
command line adds stands behind the file's text and has places of its own.
"""

from bisect import bisect_right
from collections.abc import Sequence

from coprocsim.errors import Span

COMMAND_LINE = "<command line>"

_QUOTED_CHARACTERS = 80

# A carriage return or an escape would spoil the terminal that shows it: each gets its visible picture.
_PICTURES = {code: 0x2400 + code for code in range(0x20) if code != ord("\t")} | {0x7F: 0x2421}


def shown(data: bytes) -> str:
    """Return `data` for a person to read: decoded, nothing in it that acts on a terminal."""
    return data.decode("utf-8", "replace").translate(_PICTURES)


def brief(data: bytes) -> str:
    """Return `data` to be quoted in a message: shown, and cut where it is long."""
    text = shown(data[: 4 * _QUOTED_CHARACTERS])
    return text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "…"


class Source:
    """A config's bytes, `data`, with the arguments of the command line appended as xl does it."""

    def __init__(self, data: bytes, path: str, extra: Sequence[str] = ()) -> None:
        arguments = "\n".join(extra).encode("utf-8", "surrogateescape")
        self.path = path
        self.data = data + b"\n" + arguments + b"\n" if extra else data
        self._file_end = len(data)
        self._lines: list[int] = []
        self._mark = (0, 1)
        self._shown_line = (-1, "")

    def on_command_line(self, offset: int) -> bool:
        """Tell whether this place is in an argument, not in the file."""
        return offset > self._file_end

    def line_start(self, offset: int) -> int:
        """Return where the line of `offset` begins."""
        return self.data.rfind(b"\n", 0, offset) + 1

    def line_end(self, offset: int) -> int:
        """Return where the line of `offset` ends, before its newline."""
        end = self.data.find(b"\n", offset)
        return len(self.data) if end < 0 else end

    def line_number(self, offset: int) -> int:
        """Return the line of `offset`, from 1, in the file or among the arguments."""
        number = self._line_index(offset)
        return number - self._line_index(self._file_end) if self.on_command_line(offset) else number + 1

    def span(self, start: int, end: int) -> Span:
        """Return the place from `start` to `end`, cut at the end of its line; at least one character wide."""
        index = self._line_index(start)
        line_start = self._lines[index]
        line_end = self.line_end(start)
        text = self._line(index, line_start, line_end)
        column = self._column(line_start, start)
        width = max(1, len(shown(self.data[start : min(end, line_end)])))
        path = COMMAND_LINE if self.on_command_line(start) else self.path
        return Span(path, self.line_number(start), column, width, text)

    def _line_index(self, offset: int) -> int:
        if not self._lines:
            self._lines = [0]
            for part in self.data.split(b"\n")[:-1]:
                self._lines.append(self._lines[-1] + len(part) + 1)
        return bisect_right(self._lines, offset) - 1

    def _line(self, index: int, start: int, end: int) -> str:
        """Return a line to show; the same object as long as it is the same line, for it may be long."""
        if self._shown_line[0] != index:
            self._shown_line = (index, shown(self.data[start:end]))
        return self._shown_line[1]

    def _column(self, line_start: int, offset: int) -> int:
        """Count characters from the last place asked for, when on the same line: a long line is gone through once."""
        at, column = self._mark
        if not line_start <= at <= offset:
            at, column = line_start, 1
        column += len(shown(self.data[at:offset]))
        self._mark = (offset, column)
        return column
