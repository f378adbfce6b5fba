"""How a run tells where it is: a bar on a terminal, a line for each action and step otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from appliance.ledger.actions import Action, action_name, subject_of
from appliance.ledger.plan import Plan
from keyceremony import screen


class _Bar:
    def __init__(self, bar: Progress, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)
        self._action = ""

    def action(self, number: int, action: Action) -> None:
        self._action = f"{number}. {action_name(action)} {subject_of(action)}"
        self._bar.update(self._task, completed=number - 1, description=self._action, refresh=True)
        if self._bar.disable:
            screen.line(self._bar.console, self._action)

    def step(self, what: str) -> None:
        self._bar.update(self._task, description=f"{self._action}: {what}", refresh=True)
        if self._bar.disable:
            screen.line(self._bar.console, f"      {what}")

    def finish(self) -> None:
        self._bar.update(self._task, completed=self._bar.tasks[0].total, description="verified", refresh=True)


@contextmanager
def progress(plan: Plan) -> Iterator[tuple[Callable[[int, Action], None], Callable[[str], None]]]:
    """What to call before each action, and with each step on a token."""
    console = screen.console()
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    # no thread of its own that refreshes the bar: signals must find this thread alone (keyceremony.signals)
    disabled = not console.is_terminal or screen.PLAIN
    with Progress(*columns, console=console, auto_refresh=False, disable=disabled) as bar:
        told = _Bar(bar, len(plan.actions))
        yield told.action, told.step
        told.finish()
