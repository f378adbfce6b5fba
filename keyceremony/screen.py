"""What the ceremony tool prints: plain text that is read aloud, tables where they help, no markup taken from content.

Text of plans and cards is never interpreted (no colour codes, no emoji names), so that what an
approver reads is what the plan says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from appliance.commandline import visible
from keyceremony.words import groups

PIPE_WIDTH = 120


def console(*, stderr: bool = False) -> Console:
    """A console without markup; wide enough for tables when the output is no terminal."""
    made = Console(markup=False, emoji=False, highlight=False, stderr=stderr)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


def line(out: Console, text: str = "") -> None:
    """One line, never folded, so that commands and digests can be copied."""
    out.print(visible(text), soft_wrap=True)


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A simple table that also reads well in a pipe or on paper."""
    made = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for heading in headings:
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*("\n".join(map(visible, cell.split("\n"))) for cell in row))
    return made


def read_aloud(out: Console, what: str, words: tuple[str, ...], digest: str | None = None) -> None:
    """The sixteen words in four numbered lines, and the digest below."""
    line(out, f"{what} in words, to be read aloud and compared:")
    for number, group in enumerate(groups(words), 1):
        line(out, f"   {number}.  {group}")
    if digest is not None:
        line(out, f"   SHA-256  {digest}")
