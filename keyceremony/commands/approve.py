"""``keyceremony show``, ``approve`` and ``withdraw``: what one person does with a plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from appliance.ledger import cms
from appliance.ledger.errors import naming
from appliance.ledger.plan import parse as parse_plan
from appliance.ledger.roster import Person
from keyceremony import approve as approving
from keyceremony import papers, screen, secrets, show, signers, staging, workspace
from keyceremony.cards import certificate_of
from keyceremony.commands.options import PATH, OwnKey, Where, with_own_key, with_where


@click.command("show")
@click.argument("file", type=PATH)
@with_where("config", "ledger", "anchor")
def show_command(file: Path, where: Where) -> None:
    """Show a plan (FILE.json) or an authorization or approval (FILE.cms) in human words, with the digest to read aloud.

    With the ledger (--ledger and --anchor, or --config) every action is shown with the key's state before and after.
    """
    console = screen.console()
    paper, signed = _plan_or_signed(file)
    state = None
    if where.ledger_if_given is not None and where.anchor_if_given is not None:
        state = papers.state_before(paper, where.ledger, where.anchor)
    show.plan(console, paper.data, paper.plan, state)
    if signed is not None:
        show.signatures(console, signed, papers.roster_if_known(paper.plan, state))


def _plan_or_signed(file: Path) -> tuple[papers.Paper, cms.Signed | None]:
    if file.suffix != ".cms":
        return papers.load_plan(file), None
    with naming(str(file)):
        signed = cms.verify(workspace.read(file))
        return papers.Paper(file, signed.content, parse_plan(signed.content)), signed


@click.command("approve")
@click.argument("plan", type=PATH)
@click.option("--as", "person_id", required=True, metavar="ID", help="Who you are in the roster, officer-1 say.")
@with_own_key
@click.option("--confirm-words", metavar="'W W W W'", help="For scripts: the last four words, instead of typing them.")
@with_where("config", "ledger", "anchor", "module")
@click.option("--out", type=PATH, metavar="FILE", help="Write the approval there instead of beside the plan.")
def approve_command(
    plan: Path, person_id: str, own: OwnKey, confirm_words: str | None, where: Where, out: Path | None
) -> None:
    """Approve PLAN: read it, compare its words aloud, type the last four, sign.

    The signature is made with your own key (--token or --pem) over the plan's exact bytes, verified at once, and
    written beside the plan. It takes effect only when a quorum has approved and the plan is executed.
    """
    paper = papers.load_plan(plan)
    state = papers.present_state(paper, where.ledger_if_given, where.anchor_if_given)
    now = datetime.now(UTC)
    person = approving.approver(paper, state, person_id, now=now)
    workspace.check_absent(out or workspace.approval_path(plan, paper.plan.sequence, person.id))
    console = screen.console()
    show.plan(console, paper.data, paper.plan, state)
    approving.check_words(paper, confirm_words or _typed_words(person))
    with _signer(where, person, own) as signer:
        written = approving.approve(paper, person, signer, now=datetime.now(UTC), out=out)
    screen.line(console, f"Approved as {person.id}, signature verified: {written}")


def _typed_words(person: Person) -> str:
    return str(click.prompt(f"{person.id}: to approve, type the LAST FOUR words (Ctrl-C: do not approve)"))


@contextmanager
def _signer(where: Where, person: Person, own: OwnKey) -> Iterator[cms.Signer]:
    certificate = certificate_of(person)
    if own.pem is not None:
        yield signers.load_pem(own.pem, secrets.passphrase_for(own.pem, own.passphrase_file), certificate)
        return
    with own.open_token(where.module) as token:
        yield token.signer(certificate)


@click.command("withdraw")
@click.argument("plan", type=PATH)
def withdraw_command(plan: Path) -> None:
    """Put PLAN and its approvals away (into a folder 'withdrawn' beside it), so that another can be drafted."""
    paper = papers.load_plan(plan)
    staging.check_none_waits(plan, paper.plan.sequence)
    folder = workspace.put_away(plan, paper.plan.sequence, workspace.WITHDRAWN)
    screen.line(screen.console(), f"Withdrawn: plan {paper.plan.sequence} is now in {folder}")
