"""``keyceremony show``, ``approve`` and ``refuse``: what one person does with a plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from appliance.ledger import cms, quorum
from appliance.ledger.errors import naming
from appliance.ledger.fold import LedgerState
from appliance.ledger.plan import parse as parse_plan
from keyceremony import screen, workspace
from keyceremony.commands.drafts import example
from keyceremony.commands.options import PATH, OwnKey, Where, with_own_key, with_where
from keyceremony.commands.ownsigner import own_signer
from keyceremony.errors import NotInRoster
from keyceremony.showing import show
from keyceremony.table import approve as approving
from keyceremony.table import papers, refusals
from keyceremony.table.deciders import Decider, deciders, named
from keyceremony.table.papers import Paper

_as = click.option("--as", "person_id", required=True, metavar="ID", help="Who you are in the roster, officer-1 say.")


@click.command("show", epilog=example("keyceremony show ledger/pending/000007.plan.json"))
@click.argument("file", type=PATH)
@with_where("config", "ledger", "anchor")
def show_command(file: Path, where: Where) -> None:
    """Show a plan (FILE.json) or an authorization or approval (FILE.cms) in human words, with the digest to read aloud.

    With the ledger (--ledger and --anchor, or --config) every action is shown with the state before and after, and
    refusals that lie beside the plan with their reasons.
    """
    console = screen.console()
    paper, signed = _plan_or_signed(file)
    state = None
    if where.ledger_if_given is not None and where.anchor_if_given is not None:
        state = papers.state_before(paper, where.ledger, where.anchor)
    show.plan(console, paper.data, paper.plan, state)
    roster = papers.roster_if_known(paper.plan, state)
    if signed is not None:
        show.signatures(console, signed, quorum.bodies(paper.plan, roster).values() if roster else ())
    else:
        show.refusals(console, refusals.beside(paper, roster))


def _plan_or_signed(file: Path) -> tuple[Paper, cms.Signed | None]:
    if file.suffix != ".cms":
        return papers.load_plan(file), None
    with naming(str(file)):
        signed = cms.verify(workspace.read(file))
        return Paper(file, signed.content, parse_plan(signed.content)), signed


@click.command(
    "approve", epilog=example("keyceremony approve ledger/pending/000007.plan.json --as officer-1 --token officer-1")
)
@click.argument("plan", type=PATH)
@_as
@with_own_key
@click.option("--confirm-words", metavar="'W W W W'", help="For scripts: the last four words, instead of typing them.")
@click.option(
    "--confirm-subject", metavar="TEXT", help="For scripts: what a grave plan is about, instead of typing it."
)
@with_where("config", "ledger", "anchor", "module")
@click.option("--out", type=PATH, metavar="FILE", help="Write the approval there instead of beside the plan.")
def approve_command(
    plan: Path,
    person_id: str,
    own: OwnKey,
    confirm_words: str | None,
    confirm_subject: str | None,
    where: Where,
    out: Path | None,
) -> None:
    """Approve PLAN: read it, compare its words aloud, type the last four, sign.

    The signature is made with your own key (--token or --pem) over the plan's exact bytes, verified at once, and
    written beside the plan. It takes effect only when a quorum has approved and the plan is executed. A plan that
    cannot be taken back (destroy, restore, a backup token or people leaving) asks in addition what it is about.

    It needs the plan and a copy of the ledger, no network: what is signed elsewhere is carried back on a stick and
    taken in with keyceremony collect. In a change of the roster, a person whose certificate is renewed approves with
    the old key for the present roster, and with the new key for the new one.
    """
    paper = papers.load_plan(plan)
    state = papers.present_state(paper, where.ledger_if_given, where.anchor_if_given)
    now, arguments = datetime.now(UTC), where.arguments(with_module=False)
    theirs = approving.approvers(paper, state, person_id, now=now, arguments=arguments)
    if out is not None:
        workspace.check_absent(out)
    console = screen.console()
    show.plan(console, paper.data, paper.plan, state)
    show.refusals(console, refusals.beside(paper, papers.roster_for(paper.plan, state)))
    approving.check_words(paper, confirm_words or _typed_words(person_id))
    _confirm_subject(paper, state, confirm_subject)
    with own_signer(where, own, theirs) as (decider, signer):
        approving.require_first_time(paper, decider)
        written = approving.approve(paper, decider.person, signer, now=datetime.now(UTC), out=out, joins=decider.joins)
    screen.line(console, f"Approved as {decider.person.id}{_for(decider)}, signature verified: {written}")


def _for(decider: Decider) -> str:
    return "" if decider.bodies == ("roster",) else f" for the {' and the '.join(decider.bodies)}"


def _typed_words(person_id: str) -> str:
    return str(click.prompt(f"{person_id}: to approve, type the LAST FOUR words (Ctrl-C: do not approve)"))


def _confirm_subject(paper: Paper, state: LedgerState | None, given: str | None) -> None:
    subjects = approving.grave_subjects(paper.plan, state)
    if subjects:
        approving.check_subject(subjects, given or _typed_subject(subjects))


def _typed_subject(subjects: Sequence[str]) -> str:
    return str(click.prompt(f"This plan cannot be taken back. Type what it is about ({' '.join(subjects)})"))


@click.command(
    "refuse",
    epilog=example(
        "keyceremony refuse ledger/pending/000007.plan.json --as officer-2 --token officer-2 --reason 'Too early'"
    ),
)
@click.argument("plan", type=PATH)
@_as
@click.option("--reason", required=True, metavar="TEXT", help="Why, in a line; it is kept for good.")
@with_own_key
@with_where("config", "ledger", "anchor", "module")
@click.option("--out", type=PATH, metavar="FILE", help="Write the refusal there instead of beside the plan.")
def refuse_command(plan: Path, person_id: str, reason: str, own: OwnKey, where: Where, out: Path | None) -> None:
    """Refuse PLAN, with a reason, signed with your own key.

    The refusal is written beside the plan and shown to everybody who looks at it. It goes into the ledger with the
    plan, whether that is carried out in the end or withdrawn; it does not stop a quorum of others. Whoever has approved
    cannot refuse any more: what is signed stays signed, but the plan can be withdrawn.
    """
    paper = papers.load_plan(plan)
    state = papers.present_state(paper, where.ledger_if_given, where.anchor_if_given)
    theirs = _who_may_refuse(paper, state, person_id)
    path = out or workspace.refusal_path(plan, paper.plan.sequence, person_id)
    workspace.check_absent(path, "a refusal is kept as it is; keyceremony status shows it")
    with own_signer(where, own, theirs) as (decider, signer):
        der = refusals.sign(paper, decider.person, signer, reason, now=datetime.now(UTC))
    workspace.create(path, der)
    screen.line(screen.console(), f"Refused as {person_id}, signature verified: {path}")


def _who_may_refuse(paper: Paper, state: LedgerState | None, person_id: str) -> list[Decider]:
    theirs = [one for one in named(deciders(paper.plan, state), person_id) if not one.joins]
    if not theirs:
        raise NotInRoster(f"{person_id} is in the new roster only", "only people of the present roster can refuse")
    approving.require_first_time(paper, theirs[0])
    return theirs
