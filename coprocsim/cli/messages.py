"""What is said on stderr: errors with their place and cure, warnings, notes; and the same as data on stdout."""

import io
import os
import re
import shutil
import sys
import textwrap
from functools import partial
from typing import TYPE_CHECKING, TextIO

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from coprocsim.errors import CoprocsimError, NodePlace, Problem, Span

_COLOURS = {"error": "1;31", "warning": "1;33", "note": "1;34"}
# What is quoted is cut where it is longer than any path or command that somebody wants to read.
_LONG = re.compile(r"`([^`]{300,})`")
_SHOWN = 60
# What begins a sentence, and how wide a terminal is that does not say it.
_LABEL = re.compile(r"(?:error|warning|note|Error| hint| why): ")
_COLUMNS = 80


def printable(text: str) -> str:
    """Return `text` with escapes for what would not be seen: a terminal obeys ESC, a newline breaks a table."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def brief(text: str) -> str:
    """Return a text of one line, printable, in which what is quoted is not too long to be read."""
    return printable(_LONG.sub(lambda found: f"`{found[1][:_SHOWN]}…`", text))


def many(count: int, what: str, ending: str = "s") -> str:
    """Return `1 job`, `2 jobs`."""
    return f"{count} {what}{'' if count == 1 else ending}"


def wants_colour(stream: TextIO) -> bool:
    """Return whether `stream` is a terminal whose user has nothing against colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _say(kind: str, text: str) -> None:
    # In the order in which it was said, also where both streams go to one file.
    sys.stdout.flush()
    _print(kind, text, sys.stderr)


def _print(kind: str, text: str, stream: TextIO) -> None:
    said = _fitted(f"{kind}: {text}", stream)
    if wants_colour(stream):
        said = f"\033[{_COLOURS[kind]}m{kind}\033[0m{said.removeprefix(kind)}"
    print(said, file=stream)


def _fitted(text: str, stream: TextIO) -> str:
    """Return `text` as it goes on `stream`: on a terminal sentences are wrapped at words, below their own beginning.

    What stands in a file, a place, and what another program has said, stay as they are.
    """
    if not stream.isatty():
        return text
    columns = shutil.get_terminal_size((_COLUMNS, 24)).columns
    return "\n".join(map(partial(_wrapped, columns=columns), text.split("\n")))


def _wrapped(line: str, columns: int) -> str:
    label = _LABEL.match(line)
    if label is None or len(line) <= columns:
        return line
    below = " " * label.end()
    return textwrap.fill(line, columns, subsequent_indent=below, break_long_words=False, break_on_hyphens=False)


def program() -> str:
    """Return how a command begins that is about this machine: with `--machine`, if that has been typed."""
    context = click.get_current_context(silent=True)
    root = None if context is None else context.find_root()
    if root is None or root.get_parameter_source("name") is not ParameterSource.COMMANDLINE:
        return "coprocsim"
    return f"coprocsim --machine {root.params['name']}"


def proposed(text: str) -> str:
    """Return `text` with the commands that it proposes as they are to be typed for this machine."""
    return text.replace("`coprocsim ", f"`{program()} ")


def error(text: str) -> None:
    """Say what went wrong."""
    _say("error", text)


def warning(text: str) -> None:
    """Say what the user should look at."""
    _say("warning", _of_lines(proposed(text)))


def note(text: str) -> None:
    """Say what the user may want to know."""
    _say("note", brief(proposed(text)))


def mistake(found: "CoprocsimError") -> None:
    """Say what is wrong, where, why, and what to do."""
    error("\n".join(_lines(found)))


def problem(found: "Problem") -> None:
    """Print something wrong or doubtful as data: on stdout, in the form of an error."""
    _print(found.severity.value, "\n".join(_lines(found)), sys.stdout)


def _of_lines(text: str) -> str:
    return "\n".join(map(brief, text.split("\n")))


def misuse(found: click.ClickException) -> None:
    """Say how a command is used."""
    if isinstance(found, click.UsageError) and found.ctx is not None:
        # Or click would leave out what looks like a colour, and quote what nobody has written.
        found.ctx.color = True
    said = io.StringIO()
    found.show(said)
    sys.stdout.flush()
    print(_fitted(_of_lines(said.getvalue().rstrip("\n")), sys.stderr), file=sys.stderr)


def _lines(found: "CoprocsimError | Problem") -> list[str]:
    lines = [brief(found.what)]
    place: Span | NodePlace | None = getattr(found, "place", None)
    path: str | None = getattr(found, "path", None)
    if place is not None:
        lines += _place(place, path)
    elif path is not None:
        lines.append(f" --> {printable(path)}")
    if found.why is not None:
        # What another program has said may be several lines.
        lines.append(f" why: {_of_lines(found.why)}")
    if found.hint is not None:
        lines.append(f" hint: {brief(found.hint)}")
    return lines


def _place(place: "Span | NodePlace", tree: str | None) -> list[str]:
    from coprocsim.errors import NodePlace

    if isinstance(place, NodePlace):
        where = place.node if place.property is None else f"{place.node}: {place.property}"
        return [printable(f" --> {where}" if tree is None else f" --> {tree}: {where}")]
    number = str(place.line)
    before, text = place.text[: place.column - 1], place.text[place.column - 1 :]
    # A tab before the place keeps its width, so that the carets stand below it.
    indent = "".join("\t" if character == "\t" else " " * len(_escaped(character)) for character in before)
    carets = "^" * max(1, min(len(printable(text[: place.width])), len(printable(text))))
    shown = "\t".join(map(printable, place.text.split("\t")))
    return [
        f" --> {printable(place.path)}:{place.line}:{place.column}",
        f"{number} | {shown}",
        f"{' ' * len(number)} | {indent}{carets}",
    ]


def author() -> tuple[str, str] | None:
    """Return the module, and the package, of the part of another package that has raised what is handled; else None."""
    from coprocsim import plugins

    # The innermost frame of a part's says whose code it was; below it there may be ours, which it calls.
    return plugins.author_of(reversed(plugins.raised_in(sys.exception())))


def bug() -> None:
    """Say whose mistake this is, ours or that of a part of another package, and how to report it."""
    import platform
    import traceback

    from coprocsim import __version__, plugins

    sys.stdout.flush()
    traceback.print_exc()
    versions = f"coprocsim {__version__}, Python {platform.python_version()}, {platform.system()}"
    found = author()
    if found is not None:
        module, package = found
        error(
            f"`{module}` of package `{package}` has failed; the machine is as it was before this command\n"
            f" why: a part of another package has raised what stands above; it is no bug of coprocsim\n"
            f" hint: `coprocsim conformance` checks it; report to its authors the lines above; {versions}"
        )
        return
    others = ", ".join(f"`{package}`" for package in sorted(set(plugins.others().values())))
    also = f"\n hint: parts of {others} are installed, too: check them with `coprocsim conformance`" if others else ""
    error(
        "this is a bug of coprocsim; the machine is as it was before this command\n"
        f" hint: report the lines above, the command, and the files that it read; {versions}{also}"
    )
