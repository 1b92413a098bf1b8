"""Reading what a user names as a file, and it may be anything: a pipe that nobody writes into, a device without end."""

import errno
import os
import select
import time
from pathlib import Path

# More than any device tree, config or list of arrivals has.
_BYTES_MAX = 64 * 2**20
_WAIT_S_MAX = 10.0


def contents(path: str | Path) -> bytes:
    """Return all that is in a file, or comes through a pipe.

    Raises OSError, with a `strerror` for the user, also for what is too large, and for a pipe in which nothing comes.
    """
    if not os.fspath(path):
        raise OSError(errno.ENOENT, "a file has a name")
    if "\0" in os.fspath(path):
        raise OSError(errno.EINVAL, "a file's name has no NUL byte")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return _whole(descriptor)
    finally:
        os.close(descriptor)


def shown_path(path: str) -> str:
    """Return a file's name as text, which it need not be."""
    return path.encode(errors="backslashreplace").decode()


def _whole(descriptor: int) -> bytes:
    data = bytearray()
    give_up_s = time.monotonic() + _WAIT_S_MAX
    while os.fstat(descriptor).st_size <= _BYTES_MAX and len(data) <= _BYTES_MAX:
        if not select.select([descriptor], [], [], max(0.0, give_up_s - time.monotonic()))[0]:
            raise OSError(errno.ETIMEDOUT, f"nothing has come for {_WAIT_S_MAX:g} s")
        piece = os.read(descriptor, 2**20)
        if not piece:
            return bytes(data)
        data += piece
        give_up_s = time.monotonic() + _WAIT_S_MAX
    raise OSError(errno.EFBIG, f"it has more than {_BYTES_MAX >> 20} MiB")
