"""The command line: what the user types and sees.

The only room that prints, exits or reads the environment. A command's file is imported when that command is called,
and what the command needs when it runs: looking at a machine waits for no parser, engine or plugin.
"""

import io
import os
import sys
from collections.abc import Sequence

import click

from coprocsim.cli import messages
from coprocsim.cli.root import root
from coprocsim.errors import CoprocsimError

EXIT_MISTAKE = 1
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

ASKED_BY = "_COPROCSIM_COMPLETE"
"""The variable by which a shell asks how a command goes on."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    # Started with a stream closed (`>&-`): nobody reads.
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal's encoding does not have is shown, not refused.
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough (`| head`); let the interpreter find nothing left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        messages.error(f"cannot write the output: {error.strerror}; what the command does may be done")
        return EXIT_MISTAKE
    return status


def _run(arguments: Sequence[str] | None) -> int:
    stdout = sys.stdout
    if ASKED_BY in os.environ:
        from coprocsim.cli.completion import prepare

        prepare()
    try:
        status = root.main(arguments, prog_name="coprocsim", standalone_mode=False)
    except CoprocsimError as error:
        messages.mistake(error)
        return EXIT_MISTAKE
    except click.ClickException as error:
        messages.misuse(error)
        return error.exit_code
    except SystemExit as ended:
        # So click ends when it has completed for a shell, and, with another stdout, when nobody reads any more.
        return ended.code if isinstance(ended.code, int) and sys.stdout is stdout else 0
    except (click.Abort, KeyboardInterrupt):
        messages.error("interrupted; nothing was changed")
        return EXIT_INTERRUPTED
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - the one place where our own mistakes end
        messages.bug()
        return EXIT_BUG
    return status if isinstance(status, int) else 0
