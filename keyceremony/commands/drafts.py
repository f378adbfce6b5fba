"""What all commands that draft a plan share: their options, the ledger's present state, and the file they write."""

from __future__ import annotations

import functools
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from appliance.ledger.actions import Action
from appliance.ledger.fold import LedgerState
from appliance.ledger.plan import Plan
from keyceremony import screen, workspace
from keyceremony.commands.options import PATH, Command, Where, with_where
from keyceremony.errors import DraftRefused
from keyceremony.plans import drafting
from keyceremony.showing import show_actions
from keyceremony.table import papers

out_option = click.option(
    "--out", type=PATH, metavar="FILE", help="Write the plan there instead of the pending folder."
)
valid_option = click.option(
    "--valid-days",
    type=click.IntRange(1, 90),
    default=drafting.VALID_DAYS,
    show_default=True,
    help="Days until it expires.",
)


@dataclass(frozen=True)
class Draft:
    """How a plan is drafted: where the ledger is, its title, how long it is valid, and where it goes."""

    where: Where
    title: str | None
    valid_days: int
    out: Path | None

    def state(self) -> LedgerState:
        """The ledger's present state, verified.

        Raises:
            DraftRefused: the ledger is empty.
        """
        return present_state(self.where)

    def write(self, state: LedgerState, title: str, *actions: Action) -> papers.Paper:
        """Draft the actions, show what they change, and write the plan. ``title`` is used if none was given."""
        plan = drafting.around(
            state, actions, title=self.title or title, now=datetime.now(UTC), valid_days=self.valid_days
        )
        paper = create(self.where, plan, self.out)
        console = screen.console()
        show_actions.actions(console, plan, state)
        tell(console, self.where, paper)
        return paper


def present_state(where: Where) -> LedgerState:
    """The ledger's present state, verified.

    Raises:
        DraftRefused: the ledger is empty.
    """
    _, state = papers.load_ledger(where.ledger, where.anchor)
    if state is None:
        raise DraftRefused("the ledger is empty", "found it first: keyceremony plan genesis SETUP.toml")
    return state


def example(command: str, where: str = " --config kagimori.toml") -> str:
    """The last lines of a command's help."""
    return f"\b\nExample:\n  {command}{where}"


def untitled_options(command: Command) -> Command:
    """Gives a command the options of `Draft` but for the title; it gets them as its argument ``draft``."""

    @functools.wraps(command)
    def gathered(
        *, where: Where, valid_days: int, out: Path | None, plan_title: str | None = None, **given: Any
    ) -> Any:
        return command(draft=Draft(where, plan_title, valid_days, out), **given)

    return with_where("config", "ledger", "anchor")(valid_option(out_option(gathered)))


def drafting_options(command: Command) -> Command:
    """Gives a command the options of `Draft`; it gets them as its argument ``draft``."""
    title = click.option(
        "--title", "plan_title", metavar="TEXT", help="What the plan is for, in a line; there is a default."
    )
    return title(untitled_options(command))


def create(where: Where, plan: Plan, out: Path | None) -> papers.Paper:
    """Write a plan where it belongs; never over another.

    Raises:
        OutputExists: a plan of that number waits already.
    """
    path = out or workspace.plan_path(where.ledger, plan.sequence)
    if out is None:
        workspace.make_pending(where.ledger)
        workspace.check_absent(
            path, f"keyceremony status tells where it stands; keyceremony withdraw {path} puts it away"
        )
    paper = papers.paper_of(path, plan)
    workspace.create(path, paper.data)
    return paper


def tell(console: Console, where: Where, paper: papers.Paper) -> None:
    """Print what was written, its words, and the next command."""
    screen.line(console, f"Plan {paper.plan.sequence}: {paper.plan.title}")
    screen.line(console, f"   file     {paper.path}")
    screen.line(console, f"   expires  {paper.plan.expires}")
    screen.read_aloud(console, "This plan", paper.words, paper.digest)
    following = ["keyceremony", "show", str(paper.path), *where.arguments(with_module=False)]
    screen.line(console, f"Next: {shlex.join(following)}")
