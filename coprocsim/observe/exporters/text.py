"""Text into a file of bytes: one that is not ours to close, as `io.TextIOWrapper` would when it goes away."""

import io
from typing import BinaryIO


class Text(io.TextIOBase):
    """What is written goes to `out`, in UTF-8."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        """Write `text` as it is, with the line endings that it has."""
        self._out.write(text.encode(errors="surrogateescape"))
        return len(text)
