"""Memory in a coprocessor: so many bytes, little-endian, all 0 at power-up."""

import base64

from coprocsim.model import Json


class Memory:
    """The bytes of one range; whoever reads and writes stays inside it."""

    def __init__(self, size_bytes: int) -> None:
        self._data = bytearray(size_bytes)

    def read(self, offset: int, size: int) -> int:
        """Return `size` bytes as a number."""
        return int.from_bytes(self._data[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int) -> None:
        """Take `size` bytes of a number."""
        self._data[offset : offset + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")

    def copy_from(self, offset: int, size_bytes: int) -> bytes:
        """Return a stretch of it."""
        return bytes(self._data[offset : offset + size_bytes])

    def copy_to(self, offset: int, data: bytes) -> None:
        """Fill a stretch of it."""
        self._data[offset : offset + len(data)] = data

    def content(self) -> bytes:
        """Return all of it."""
        return bytes(self._data)

    def save(self) -> Json:
        """Return what it holds; most of the time that is not much, and the zeros at its end go without saying."""
        return base64.b64encode(self._data.rstrip(b"\0")).decode("ascii")

    def restore(self, saved: Json) -> None:
        """Become what `save` described."""
        assert isinstance(saved, str)
        data = base64.b64decode(saved)
        self._data = bytearray(data + bytes(len(self._data) - len(data)))
