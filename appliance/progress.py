"""How long work shows where it is: one bar on stderr, gone when the work is done, nothing at all in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

Show = Callable[[int, int], None]  # done, in all


@contextmanager
def bar(title: str, unit: str) -> Iterator[Show]:
    """A progress bar that is told how much is done, of how much; it shows the rate and the time left as well.

    The rate is that of the last half minute, so what was done before (a job that is resumed) does not count.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
        RateColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=1, visible=False)

        def show(done: int, whole: int) -> None:
            progress.tasks[0].total = max(whole, 1)  # an estimate may change; `update` would forget the rate over it
            progress.update(task, completed=done, visible=True)

        yield show


class RateColumn(ProgressColumn):
    """How much is done a second."""

    def render(self, task: Task) -> Text:
        """The rate, empty until there is one."""
        return Text("" if task.speed is None else rate(task.speed), style="progress.data.speed")


def rate(speed: float) -> str:
    """A rate in three digits or four: ``850/s``, ``12.3 k/s``, ``2.61 M/s``."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if speed >= size:
            return f"{speed / size:.3g} {letter}/s"
    return f"{speed:.0f}/s"


def silent(done: int, whole: int) -> None:
    """Shows nothing."""
