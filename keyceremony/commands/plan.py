"""``keyceremony plan``: drafting what others will be asked to approve. Here: genesis, keys and rotation."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from appliance.ledger import chain, files
from keyceremony import screen
from keyceremony.commands import plan_changes, plan_clones, plan_tokens
from keyceremony.commands.drafts import Draft, create, drafting_options, example, out_option, tell, valid_option
from keyceremony.commands.options import PATH, Command, Where, with_where
from keyceremony.errors import DraftRefused
from keyceremony.plans import drafting
from keyceremony.plans import rotation as rotating
from keyceremony.plans.evidence import Evidence
from keyceremony.plans.rotation import Rotation

_KEYS_HELP = """Draft a plan of key actions, carried out in the order given, all or none.

Each action is one quoted argument:

\b
  'generate DOMAIN'            the domain's next key, under its parent's current one
  'generate DOMAIN with P.N'   the same, under the parent key P.N
  'activate DOMAIN.N'          becomes the current key
  'restrict DOMAIN.N'          may be read and re-keyed from, never written to
  'suspend DOMAIN.N'           emergency stop, by the lighter quorum
  'ratify DOMAIN.N'            the ordinary quorum stands behind the stop
  'resume DOMAIN.N'            its end
  'retire DOMAIN.N'            converts nothing any more
  'destroy DOMAIN.N'           gone from every token, for ever

DOMAIN can also be log (the key that signs the audit log; it never has a copy) or tag (the one that makes subject tags).
'retire' can cite a count of the numbers still under the key (--census FILE); plan, sheets and ledger show it.
A new key is copied to every backup token before it is sealed. Otherwise: 'generate DOMAIN without backup', or
'generate DOMAIN backed up on LABEL,LABEL' (after 'with P.N', if that is said).

\b
Example:
  keyceremony plan keys 'generate spin' 'activate spin.1' --title 'First keys' --config kagimori.toml
"""


_census = click.option(
    "--census",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="A count of stored numbers by generation (appliance bulk) that a retirement goes by; repeat for more domains.",
)
_accept_left = click.option(
    "--accept-left",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Retire though the census found numbers under the key, N at most. They can never be read again.",
)


@click.group("plan")
def command() -> None:
    """Draft a plan. Nothing happens until enough people approve it and it is executed."""


@command.command("genesis", epilog=example("keyceremony plan genesis setup.toml", " --ledger ledger"))
@click.argument("setup", type=PATH)
@with_where("config", "ledger")
@valid_option
@out_option
def genesis(setup: Path, where: Where, valid_days: int, out: Path | None) -> None:
    """Draft the first plan of a ledger from SETUP, a TOML file.

    SETUP names the appliance's token (label and serial number), the participants' cards, and, where the defaults do
    not suit, thresholds, domains, policy and the rules about keys; docs/ceremony-guide.md shows a whole one. The digest
    of this plan is the trust anchor: it goes into the configuration of every machine that reads the ledger.
    """
    if where.ledger_if_given is not None and where.ledger.is_dir() and chain.length_of(files.read(where.ledger)):
        raise DraftRefused(
            f"{where.ledger}: there is a ledger already", "a genesis founds a new one: name another folder"
        )
    plan = drafting.genesis(setup, now=datetime.now(UTC), valid_days=valid_days)
    paper = create(where, plan, out)
    console = screen.console()
    tell(console, where, paper)
    screen.line(console)
    screen.line(console, "Put the trust anchor into the configuration (kagimori.toml) of every machine:")
    screen.line(console, "[ledger]")
    screen.line(console, f'trust_anchor = "{paper.digest}"')


def with_evidence(command: Command) -> Command:
    """Gives a command the options of `Evidence`; it gets them as its argument ``evidence``."""

    @functools.wraps(command)
    def gathered(*, census: tuple[Path, ...], accept_left: int, **given: Any) -> Any:
        return command(evidence=Evidence(census, accept_left), **given)

    for option in (_accept_left, _census):
        gathered = option(gathered)
    return gathered


@command.command("keys", help=_KEYS_HELP)
@click.argument("actions", nargs=-1, required=True, metavar="'ACTION' ['ACTION' …]")
@with_evidence
@drafting_options
def keys(actions: tuple[str, ...], evidence: Evidence, draft: Draft) -> None:
    """Draft a plan of key actions (its help is `_KEYS_HELP`)."""
    if draft.title is None:
        raise click.UsageError("Missing option '--title'.")
    state = draft.state()
    plan = drafting.keys(
        state, actions, title=draft.title, now=datetime.now(UTC), valid_days=draft.valid_days, evidence=evidence
    )
    tell(screen.console(), draft.where, create(draft.where, plan, draft.out))


@command.command("rotate", epilog=example("keyceremony plan rotate sspin.C"))
@click.argument("domain")
@click.option("--anew", is_flag=True, help="Begin another rotation, though older keys are still there.")
@with_evidence
@drafting_options
def rotate(domain: str, anew: bool, evidence: Evidence, draft: Draft) -> None:
    """Draft the next plan in the rotation of DOMAIN's key, and show the whole rotation.

    A rotation is four plans: make and activate the new key (old and new both convert); then, once the hub has re-keyed
    every number it and the sectors keep, restrict the old one; retire it; destroy it. The same command drafts each in
    its turn: where the rotation stands is read from the keys. An inner domain (spin) takes those below it along.
    The keys log and tag rotate likewise; nothing is re-keyed. Where there are clones, the first plan becomes several:
    keys made, brought to each clone, activated.
    """
    state = draft.state()
    found = rotating.rotation(state, domain, anew=anew)
    draft.write(state, found.title, *evidence.cited(found.actions, state))
    _show_rotation(found)


def _show_rotation(found: Rotation) -> None:
    console = screen.console()
    screen.line(console)
    screen.line(console, f"The whole rotation of {found.domain}")
    for number, step in enumerate(found.steps, 1):
        screen.line(console, f"   {f'[{step.status}]':<17} {number}. {step.text}")
    for warning in found.warnings:
        screen.line(console, f"   !! {warning}")


for _command in (
    plan_changes.roster,
    plan_changes.policy,
    plan_changes.sector,
    plan_tokens.backup,
    plan_tokens.restore,
    plan_tokens.drill,
    plan_clones.enroll,
    plan_clones.update,
    plan_clones.remove,
):
    command.add_command(_command)
