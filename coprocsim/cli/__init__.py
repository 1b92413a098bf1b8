"""The command line: what the user types and sees.

The only room that prints, exits or reads the environment. A command's file is imported when that command is called,
and what the command needs when it runs: looking at a machine waits for no parser, engine or plugin. Nothing is imported
before `main` hears Ctrl-C, so that it can say what that means for the machine.
"""

import io
import os
import sys
from collections.abc import Sequence

EXIT_MISTAKE = 1
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

ASKED_BY = "_COPROCSIM_COMPLETE"
"""The variable by which a shell asks how a command goes on."""


def program() -> int:
    """Do what the command line says, as the last that this process does; return the exit status."""
    status = main()
    import signal

    # All is done and said: while Python puts itself away, there is nothing to interrupt.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    # Started with a stream closed (`>&-`): nobody reads, or writes.
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115 - as long as the process
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
        from coprocsim.cli import messages

        messages.error(f"cannot write the output: {error.strerror}; what the command does may be done")
        return EXIT_MISTAKE
    except KeyboardInterrupt:
        from coprocsim.cli import messages

        messages.error("interrupted; nothing was changed")
        return EXIT_INTERRUPTED
    return status


def _run(arguments: Sequence[str] | None) -> int:
    """Do what the command line says; KeyboardInterrupt for Ctrl-C, which may come while this is being imported, too."""
    import click

    from coprocsim.cli import messages
    from coprocsim.cli.root import root
    from coprocsim.errors import CoprocsimError

    stdout = sys.stdout
    if ASKED_BY in os.environ:
        from coprocsim.cli.completion import prepare

        prepare()
    try:
        status = root.main(arguments, prog_name="coprocsim", standalone_mode=False)
    except CoprocsimError as error:
        _raise_interrupt(error)
        messages.mistake(error)
        return EXIT_MISTAKE
    except click.ClickException as error:
        messages.misuse(error)
        return error.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except (SystemExit, OSError) as error:
        if messages.author():
            # A part of another package may not end us, and what it cannot open is no output of ours.
            messages.bug()
            return EXIT_BUG
        if isinstance(error, OSError):
            raise
        # So click ends when it has completed for a shell, and, with another stdout, when nobody reads any more.
        return error.code if isinstance(error.code, int) and sys.stdout is stdout else 0
    except Exception as error:  # noqa: BLE001 - the one place where our own mistakes end
        _raise_interrupt(error)
        messages.bug()
        return EXIT_BUG
    return status if isinstance(status, int) else 0


def _raise_interrupt(error: BaseException) -> None:
    """Raise KeyboardInterrupt if that is what `error` was made of, as Python does it while it makes a class."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        cause = cause.__cause__
