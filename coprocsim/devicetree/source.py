"""Device tree sources: `.dts` to a blob, by the device tree compiler."""

import re
import shutil
import subprocess
from pathlib import Path

from coprocsim.errors import CoprocsimError, DeviceTreeError, Report, Span

# `Error: x.dts:4.3-4 syntax error`, and `x.dts:3.5-4.6: ERROR (some_check): …`; the end may be on another line.
_MESSAGE = re.compile(
    r"(?:Error: )?(?P<path>.+?):(?P<line>\d+)\.(?P<column>\d+)(?:-(?:\d+\.\d+|(?P<end>\d+)))?:? "
    r"(?:ERROR |(?P<warning>Warning ))?(?P<what>.+)"
)


def compile_source(path: str, report: Report | None = None) -> bytes:
    """Return the blob that dtc makes of the source at `path`; its complaints come with their place.

    With a full report all of them but the last error, which is raised, go there; else its warnings are left out.
    """
    dtc = shutil.which("dtc")
    if dtc is None:
        raise CoprocsimError(
            f"`{path}` is a source, and there is no `dtc` to compile it",
            hint="install it (Debian, Ubuntu: package device-tree-compiler), or give a `.dtb`",
        )
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise CoprocsimError(f"cannot read `{path}`", why=error.strerror) from error
    done = subprocess.run([dtc, "-I", "dts", "-O", "dtb", "-o", "-", "--", path], capture_output=True, check=False)
    said = done.stderr.decode("utf-8", "replace")
    errors = []
    report = report or Report()
    for match in filter(None, map(_MESSAGE.fullmatch, said.splitlines())):
        if match["warning"]:
            report.warn(f"dtc: {match['what']}", _span(match))
        else:
            errors.append(_error(match))
    if done.returncode:
        *others, last = errors or [DeviceTreeError(f"dtc refuses `{path}`", None, why=_unplaced(said))]
        for other in others:
            with report.one():
                raise other
        raise last
    return done.stdout


def _error(match: re.Match[str]) -> DeviceTreeError:
    span = _span(match)
    return DeviceTreeError(f"dtc: {match['what']}", span, hint=_hint(match["what"], span.text))


def _unplaced(said: str) -> str:
    """Return what dtc says of nothing in particular."""
    lines = [line for line in said.splitlines() if not _MESSAGE.fullmatch(line)]
    return "\n".join(lines).strip() or "it does not say why"


def _span(match: re.Match[str]) -> Span:
    line, column = int(match["line"]), int(match["column"])
    width = int(match["end"] or 0) - column
    lines = Path(match["path"]).read_text("utf-8", "replace").splitlines()
    return Span(match["path"], line, column, max(1, width), lines[line - 1] if 1 <= line <= len(lines) else "")


def _hint(what: str, line: str) -> str | None:
    if line.lstrip().startswith(("#include", "#define", "#if")):
        return "run it through the C preprocessor first: `cpp -nostdinc -undef -x assembler-with-cpp`"
    return "look before this place too: a `;` may be missing there" if what == "syntax error" else None
