"""What the demo shows while it runs: one line a step, with its time, and a bar for those that take long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@dataclass
class Step:
    """One step. ``result`` is for people; ``advance`` moves the bar by one."""

    title: str
    advance: Callable[[], None]
    result: str = ""
    seconds: float = 0.0


class Steps:
    """Runs steps and remembers them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.done: list[Step] = []

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Step]:
        """Time a step; its line is printed when it has succeeded."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        shown = columns if total is not None else (columns[0], columns[1], columns[4])
        begin = time.perf_counter()
        with Progress(*shown, console=self._console, transient=True, disable=not self._console.is_terminal) as bar:
            task = bar.add_task(title, total=total)
            one = Step(title, lambda: bar.advance(task))
            yield one
        one.seconds = time.perf_counter() - begin
        self.done.append(one)
        self._console.print(f"[green]✓[/] {title}: {one.result} [dim]({one.seconds:.1f} s)[/]", soft_wrap=True)
