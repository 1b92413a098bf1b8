"""The progress bar, on stderr."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


def progress_bar(total_ps: int) -> "Bar | None":
    """Return a progress bar where somebody can see it, and where there is an end to be seen."""
    if not sys.stderr.isatty() or not total_ps:
        return None
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task("run", total=total_ps)
    bar.start()
    return bar
