"""Files that commands write: one has its name only when it is complete; `-` is stdout."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written(path: str, *, text: bool) -> Iterator[BinaryIO]:
    """Open a file that takes the place of the one at `path` when it is complete; stdout where that is `-`.

    What is no `text` is not written to a terminal.
    """
    from coprocsim.errors import CoprocsimError

    if path == "-":
        if sys.stdout.isatty() and not text:
            raise CoprocsimError("this format is no text, and a terminal shows nothing else", hint="name a FILE")
        sys.stdout.flush()
        yield sys.stdout.buffer
        return
    beside: Path | None = None
    try:
        # Through a link; not by `Path.resolve`, which calls a link to itself no OSError.
        target = Path(os.path.realpath(path))
        if os.path.exists(target) and not target.is_file():
            raise CoprocsimError(f"`{path}` is no file", hint="`-` is stdout")
        beside = target.with_name(f".coprocsim.{os.getpid()}.part")
        with beside.open("wb") as out:
            yield out
        beside.replace(target)
    except OSError as error:
        raise CoprocsimError(f"cannot write `{path}`: {error.strerror}") from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)
