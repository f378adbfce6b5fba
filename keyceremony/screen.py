"""What the ceremony tool prints: plain text that is read aloud, tables where they help, no markup taken from content.

Text of plans and cards is never interpreted (no colour codes, no emoji names), so that what an
approver reads is what the plan says. ``--plain`` (`plain`) makes a transcript of it: no colours, no tables, one fact
a line, nothing drawn twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from appliance.commandline import visible
from keyceremony.words import groups

PIPE_WIDTH = 120
PLAIN_WIDTH = 100
PLAIN = False


def plain(wanted: bool) -> None:
    """Whether this process prints a transcript from now on."""
    global PLAIN  # noqa: PLW0603 -- one process prints in one way
    PLAIN = wanted


def console(*, stderr: bool = False) -> Console:
    """A console without markup; wide enough for tables when the output is no terminal."""
    if PLAIN:
        return Console(
            markup=False,
            emoji=False,
            highlight=False,
            stderr=stderr,
            no_color=True,
            force_terminal=False,
            width=PLAIN_WIDTH,
        )
    made = Console(markup=False, emoji=False, highlight=False, stderr=stderr)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


def line(out: Console, text: str = "") -> None:
    """One line, never folded, so that commands and digests can be copied."""
    out.print(visible(text), soft_wrap=True)


def table(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, whole: Sequence[str] = ()
) -> RenderableType:
    """A simple table that also reads well in a pipe or on paper; in a transcript, a line for each cell.

    ``whole``: headings of columns whose cells are never folded.
    """
    if PLAIN:
        return Text("\n".join([title, *(fact for row in rows for fact in _facts(headings, row))]))
    made = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for heading in headings:
        made.add_column(heading, overflow="fold", no_wrap=heading in whole)
    for row in rows:
        made.add_row(*("\n".join(map(visible, cell.split("\n"))) for cell in row))
    return made


def _facts(headings: Sequence[str], row: Sequence[str]) -> Iterator[str]:
    """A row of a transcript: its first cell, and below it each other cell with its heading."""
    yield f"-  {visible(row[0])}"
    for heading, cell in zip(headings[1:], row[1:], strict=True):
        for number, part in enumerate(cell.split("\n")):
            if part:
                yield f"   {f'{heading}: ' if heading and number == 0 else ''}{visible(part)}"


def read_aloud(out: Console, what: str, words: tuple[str, ...], digest: str | None = None) -> None:
    """The sixteen words in four numbered lines, and the digest below."""
    line(out, f"{what} in words, to be read aloud and compared:")
    for number, group in enumerate(groups(words), 1):
        line(out, f"   {number}.  {group}")
    if digest is not None:
        line(out, f"   SHA-256  {digest}")
