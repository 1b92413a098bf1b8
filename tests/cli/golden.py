"""Golden transcripts: commands with all that they print, as a user sees it in a pipe.

    python -m tests.cli.golden        write every transcript, and the README's, anew; then read the difference

A `.console` file has lines `$ command`, each followed by its output (both streams, in the order in which it was said)
and `[exit N]` where the status is not 0. Lines that begin with `## ` are for its reader. Its commands run one after
the other, in a folder that has the examples of `dts/` and `domains/`, the files of `files/`, and the trees that are
made here. There `cat` works, too.
"""

import io
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from coprocsim.cli import main

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parent.parent
README = PROJECT / "README.md"
TRANSCRIPTS = sorted(FOLDER.glob("*.console"))

# What is wrong with each tree, as bytes of dts/minimal.dtb that are others.
_BROKEN_TREES = {
    "no-algorithm.dtb": (b"rrobin\0", b"rrobbn\0"),
    "short-slice.dtb": ((5000).to_bytes(4, "big"), (3).to_bytes(4, "big")),
    "no-parameter.dtb": (b"coproc-sched-slice-us\0", b"coproc-sched-slyce-us\0"),
    "no-platform.dtb": (b"vendor_xxx,coproc_xxx\0", b"vendor_xxx,coproc_yyy\0"),
    "no-blob.dtb": (b"\xd0\x0d\xfe\xed", b"\0\0\0\0"),
}


def prepare(folder: Path) -> None:
    """Put into `folder` what the transcripts' commands read."""
    for examples in ("dts", "domains"):
        shutil.copytree(PROJECT / examples, folder / examples)
    for path in (FOLDER / "files").iterdir():
        shutil.copy(path, folder)
    minimal = (PROJECT / "dts/minimal.dtb").read_bytes()
    for name, (right, wrong) in _BROKEN_TREES.items():
        assert right in minimal
        (folder / name).write_bytes(minimal.replace(right, wrong))


def run(line: str, folder: Path) -> str:
    """Return what a command prints, run in `folder`; both streams, and its status where that is not 0."""
    name, *arguments = shlex.split(line)
    if name == "cat":
        return "".join((folder / argument).read_text() for argument in arguments)
    assert name == "coprocsim", f"a transcript runs coprocsim, not {name}"
    output = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COPROCSIM_")}
    environment |= {"COPROCSIM_STATE_DIR": "state", "COLUMNS": "80"}
    with (
        chdir(folder),
        mock.patch.dict(os.environ, environment, clear=True),
        redirect_stdout(output),
        redirect_stderr(output),
    ):
        status = main(arguments)
    buffer = output.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode() + (f"[exit {status}]\n" if status else "")


def replay(text: str) -> str:
    """Return a transcript with the output that its commands have now."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        return "\n".join(_blocks(text, Path(folder)))


def _blocks(text: str, folder: Path) -> Iterator[str]:
    comment = ""
    for line in text.splitlines():
        if line.startswith("## "):
            comment += f"{line}\n"
        elif line.startswith("$ "):
            yield f"{comment}{line}\n{run(line[2:], folder)}"
            comment = ""


def replay_blocks(text: str) -> str:
    """Return a page whose fenced `console` blocks are one session, with the output that its commands have now."""
    fence = "```console\n"
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        before, *rest = text.split(fence)
        pages = [before]
        for each in rest:
            block, after = each.split("```\n", 1)
            pages.append("".join(_blocks(block, Path(folder))) + "```\n" + after)
    return fence.join(pages)


def rewrite() -> None:
    """Write what has changed."""
    for path in (*TRANSCRIPTS, README):
        before = path.read_text()
        after = replay_blocks(before) if path is README else replay(before)
        if after != before:
            path.write_text(after)
            print(f"{path.relative_to(PROJECT)} is new", file=sys.stderr)


if __name__ == "__main__":
    rewrite()
