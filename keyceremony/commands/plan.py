"""``keyceremony plan``: drafting what others will be asked to approve."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path

import click

from appliance.ledger import files
from appliance.ledger.plan import Plan
from keyceremony import drafting, papers, screen, workspace
from keyceremony.commands.options import PATH, Where, with_where
from keyceremony.errors import DraftRefused

_out = click.option("--out", type=PATH, metavar="FILE", help="Write the plan there instead of the pending folder.")
_valid = click.option(
    "--valid-days",
    type=click.IntRange(1, 90),
    default=drafting.VALID_DAYS,
    show_default=True,
    help="Days until it expires.",
)


_KEYS_HELP = """Draft a plan of key actions, carried out in the order given, all or none.

Each action is one quoted argument:

\b
  'generate DOMAIN'            the domain's next key, under its parent's current one
  'generate DOMAIN with P.N'   the same, under the parent key P.N
  'activate DOMAIN.N'          becomes the current key
  'restrict DOMAIN.N'          may be read and re-keyed from, never written to
  'suspend DOMAIN.N'           emergency stop
  'resume DOMAIN.N'            its end
  'retire DOMAIN.N'            converts nothing any more

\b
Example:
  keyceremony plan keys 'generate spin' 'activate spin.1' --title 'First keys' --config kagimori.toml
"""


@click.group("plan")
def command() -> None:
    """Draft a plan. Nothing happens until enough people approve it and it is executed."""


@command.command("genesis")
@click.argument("setup", type=PATH)
@with_where("config", "ledger")
@_valid
@_out
def genesis(setup: Path, where: Where, valid_days: int, out: Path | None) -> None:
    """Draft the first plan of a ledger from SETUP, a TOML file.

    SETUP names the appliance's token (label and serial number), the participants' cards, and, where the defaults do
    not suit, thresholds, domains and policy; docs/ceremony.md shows a whole one. The digest of this plan is
    the trust anchor: it goes into the configuration of every machine that reads the ledger.
    """
    if where.ledger_if_given is not None and where.ledger.is_dir() and files.read(where.ledger):
        raise DraftRefused(
            f"{where.ledger}: there is a ledger already", "a genesis founds a new one: name another folder"
        )
    plan = drafting.genesis(setup, now=datetime.now(UTC), valid_days=valid_days)
    paper = _write(where, plan, out)
    console = screen.console()
    screen.line(console)
    screen.line(console, "Put the trust anchor into the configuration (kagimori.toml) of every machine:")
    screen.line(console, "[ledger]")
    screen.line(console, f'trust_anchor = "{paper.digest}"')


@command.command("keys", help=_KEYS_HELP)
@click.argument("actions", nargs=-1, required=True, metavar="'ACTION' ['ACTION' …]")
@click.option("--title", required=True, metavar="TEXT", help="What the plan is for, in a line.")
@with_where("config", "ledger", "anchor")
@_valid
@_out
def keys(actions: tuple[str, ...], title: str, where: Where, valid_days: int, out: Path | None) -> None:
    """Draft a plan of key actions (its help is `_KEYS_HELP`)."""
    _, state = papers.load_ledger(where.ledger, where.anchor)
    if state is None:
        raise DraftRefused("the ledger is empty", "found it first: keyceremony plan genesis SETUP.toml")
    _write(where, drafting.keys(state, actions, title=title, now=datetime.now(UTC), valid_days=valid_days), out)


def _write(where: Where, plan: Plan, out: Path | None) -> papers.Paper:
    path = out or workspace.plan_path(where.ledger, plan.sequence)
    if out is None:
        workspace.make_pending(where.ledger)
        workspace.check_absent(
            path, f"keyceremony status tells where it stands; keyceremony withdraw {path} puts it away"
        )
    paper = papers.paper_of(path, plan)
    workspace.create(path, paper.data)
    console = screen.console()
    screen.line(console, f"Plan {plan.sequence}: {plan.title}")
    screen.line(console, f"   file     {path}")
    screen.line(console, f"   expires  {plan.expires}")
    screen.read_aloud(console, "This plan", paper.words, paper.digest)
    screen.line(console, f"Next: {shlex.join(['keyceremony', 'show', str(path), *where.arguments(with_module=False)])}")
    return paper
