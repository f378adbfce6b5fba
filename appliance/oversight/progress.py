"""How long work shows where it is: one bar on stderr, gone when the work is done, nothing at all in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Show = Callable[[int, int], None]  # done, in all


@contextmanager
def bar(title: str, unit: str) -> Iterator[Show]:
    """A progress bar that is told how much is done, of how much."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=1, visible=False)
        yield lambda done, whole: progress.update(task, completed=done, total=max(whole, 1), visible=True)


def silent(done: int, whole: int) -> None:
    """Shows nothing."""
