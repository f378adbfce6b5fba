"""How a rehearsal is told: a bar on a terminal, lines otherwise; then what stood for what, and what a plan did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from appliance.ledger.chain import Entry
from appliance.ledger.keys import Effect
from keyceremony import screen
from keyceremony.rehearsal.events import Began, Step
from keyceremony.rehearsal.original import Scene
from keyceremony.rehearsal.report import Translation
from keyceremony.table.papers import Paper


class _Bar:
    def __init__(self, bar: Progress, scenes: Sequence[Scene]) -> None:
        self._bar = bar
        self._scenes = scenes
        self._task = bar.add_task("throw-away tokens", total=len(scenes))
        self._entry = ""

    def told(self, event: Began | Step) -> None:
        if isinstance(event, Began):
            self._entry = f"REHEARSAL of entry {event.entry}: {self._scenes[event.entry - 1].plan.title}"
            self._bar.update(self._task, completed=event.entry - 1, description=self._entry, refresh=True)
            self._line(self._entry)
        else:
            self._bar.update(self._task, description=f"{self._entry}: {event.text}", refresh=True)
            self._line(f"      {event.text}")

    def _line(self, text: str) -> None:
        if self._bar.disable:
            screen.line(self._bar.console, text)

    def finish(self) -> None:
        self._bar.update(self._task, completed=len(self._scenes), description="REHEARSAL verified", refresh=True)


@contextmanager
def progress(scenes: Sequence[Scene]) -> Iterator[Callable[[Began | Step], None]]:
    """What to call with each entry that begins and each step of it."""
    console = screen.console()
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    disabled = not console.is_terminal or screen.PLAIN
    with Progress(*columns, console=console, auto_refresh=False, disable=disabled) as bar:
        telling = _Bar(bar, scenes)
        yield telling.told
        telling.finish()


def show(out: Console, translation: Translation, entries: Sequence[Entry]) -> None:
    """What stood for what: anchors, plans, tokens and people."""
    screen.line(out)
    screen.line(out, f"   trust anchor of the original     {translation.original_anchor}")
    screen.line(out, f"   trust anchor of the REHEARSAL    {translation.rehearsal_anchor}")
    screen.line(out)
    plans = [
        [str(pair.entry), entry.plan.title, f"{pair.original[:16]}…", f"{pair.rehearsal[:16]}…", _milliseconds(entry)]
        for pair, entry in zip(translation.plans, entries, strict=True)
    ]
    headings = ["entry", "title", "original plan", "its rehearsal", "took"]
    out.print(screen.table("Plans (SHA-256, whole in translation.json)", headings, plans))
    tokens = [
        [str(one.entry), f"{one.original_label}, serial {one.original_serial}", f"{one.label}, serial {one.serial}"]
        for one in translation.tokens
    ]
    out.print(screen.table("Tokens", ["entry", "original", "stood in by"], tokens))
    people = [[one.id, one.role, one.original_name, one.name] for one in translation.people]
    out.print(screen.table("People", ["id", "role", "original", "stood in by"], people))


def show_plan(out: Console, paper: Paper, effects: Sequence[Effect], entry: Entry) -> None:
    """What the plan did to the throw-away tokens and would do to the real ones, and how long each action took."""
    rows = [
        [str(number), effect.action, effect.subject, effect.before or "–", effect.after or "–", f"{taken} ms"]
        for number, (effect, taken) in enumerate(zip(effects, entry.outcome.durations, strict=True), start=1)
    ]
    headings = ["", "action", "of", "before", "after", "took"]
    out.print(screen.table(f"What plan {paper.plan.sequence} would do", headings, rows))
    screen.read_aloud(out, "The original plan, which is what people approve,", paper.words, paper.digest)
    screen.line(out)


def _milliseconds(entry: Entry) -> str:
    return f"{sum(entry.outcome.durations)} ms"
