"""Carrying out an approved plan: the only code that changes a token.

Everything that can be verified is verified first (`keyceremony.act.prepare`, `keyceremony.act.check`). Then come the
journal, the tokens' part, a signed outcome, the verification of the whole new ledger in memory, and only then the
ledger's two files. Whatever fails before the outcome is safe is undone and recorded (`keyceremony.act.undo`); what was
cut off, `keyceremony.act.recover` carries on or undoes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.ledger import annexes, canonical, chain, cms, files, outcome
from appliance.ledger import plan as plans
from appliance.ledger.actions import Action
from appliance.ledger.outcome import Outcome
from appliance.ledger.state import LedgerState
from appliance.ledger.text import render_instant
from keyceremony import workspace
from keyceremony.act import check, undo
from keyceremony.act import journal as journals
from keyceremony.act.desk import Desk
from keyceremony.act.journal import Begin, Journal
from keyceremony.act.prepare import Prepared
from keyceremony.act.work import carryout
from keyceremony.act.work.bench import Bench
from keyceremony.act.work.carryout import Done
from keyceremony.act.work.recovery import facts_of
from keyceremony.errors import FileProblem, InterruptedRun
from keyceremony.signals import undisturbed
from keyceremony.table import notes, refusals, staging


@dataclass(frozen=True)
class Run:
    """Who carries the plan out, with what, and how it is told.

    ``progress`` is called before each action, ``told`` with each step on a token.
    """

    operator: str
    tool: str
    progress: Callable[[int, Action], None] = lambda number, action: None
    told: Callable[[str], None] = lambda what: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


def execute(prepared: Prepared, desk: Desk, run: Run) -> LedgerState:
    """Carry out the plan on its tokens and add the entry to the ledger.

    Raises:
        WrongToken, TokenNotEmpty, KeyLabelTaken, KeyMissing …: refused before anything was made.
        ExecutionFailed: what was made in this run was removed again, or what was not; it says which.
        InterruptedRun: carried out, but the ledger's folder could not be written.
    """
    check.check(prepared, desk)
    staging.stage_authorization(prepared.ledger, prepared.sequence, prepared.authorization)
    begin = Begin(
        sequence=prepared.sequence,
        plan=prepared.paper.digest,
        path=str(prepared.paper.path.absolute()),
        authorization=staging.digest(prepared.authorization),
        started=render_instant(run.clock()),
        operator=run.operator,
        tool=run.tool,
    )
    journal = Journal.create(journals.path_for(prepared.ledger, prepared.sequence), begin)
    return go_on(prepared, desk, run, journal)


def go_on(prepared: Prepared, desk: Desk, run: Run, journal: Journal) -> LedgerState:
    """Carry out what the journal does not say is done already; a new journal says nothing is.

    Raises:
        ExecutionFailed, InterruptedRun: as `execute`.
    """
    bench = Bench(journal, desk, prepared.state, run.told)
    with undo.unless_done(bench, prepared):
        done = carryout.carry_out(bench, prepared.paper.plan, run.progress)
        signed = _signed(bench, prepared, run, done)
        with undisturbed():  # once staged, what was made stays, and the rest is completed whatever happens
            journal.write("run", "outcome")
            staging.stage_outcome(prepared.ledger, prepared.sequence, signed)
            state = complete(prepared.ledger, prepared.anchor, journal)
    return state


def complete(ledger: Path, anchor: str, journal: Journal) -> LedgerState:
    """The staged outcome into the ledger, the papers and the journal to those of the runs that came to their end.

    Raises:
        LedgerError, InterruptedRun: as `staging.complete`.
    """
    sequence = journal.begin.sequence
    with undisturbed():
        state = staging.complete(ledger, anchor, sequence)
        tidy(ledger, journal)
    return state


def tidy(ledger: Path, journal: Journal) -> None:
    """The papers of a run that is in the ledger go to their folder; the journal last, since it marks a run in hand."""
    sequence = journal.begin.sequence
    try:
        staging.clear(ledger, sequence)
        plan = workspace.plan_path(ledger, sequence)
        if plan.exists() and plans.digest(workspace.read(plan)) == journal.begin.plan:
            folder = workspace.put_away(plan, sequence, workspace.CARRIED_OUT)
        else:
            folder = workspace.newest_folder(ledger, sequence, workspace.CARRIED_OUT)
        journal.put_away(folder)
    except (FileProblem, OSError) as error:
        raise InterruptedRun(
            f"the ledger is complete at entry {sequence}, but the papers of the run could not be put away: {error}",
            "nothing is lost; put the cause right, and keyceremony resume tidies up if it still has to",
        ) from error


def _signed(bench: Bench, prepared: Prepared, run: Run, done: Done) -> bytes:
    """The signed outcome, once the whole ledger with it was verified."""
    ledger, sequence = prepared.ledger, prepared.sequence
    if prepared.state is not None:  # a genesis keeps its refusals with its papers: another one may have other people
        refusals.into_ledger(ledger, prepared.paper, prepared.state, prepared.state.roster)
    held = files.read(ledger)
    happened = _outcome(bench, prepared, run, done, annexes.digests(annexes.of_entry(held, sequence)))
    signed = cms.sign(canonical.encode(happened), done.signer.signer(bench), run.clock())
    names = chain.authorization_name(sequence), chain.outcome_name(sequence)
    chain.verify({**held, names[0]: prepared.authorization, names[1]: signed}, prepared.anchor)
    return signed


def _outcome(bench: Bench, prepared: Prepared, run: Run, done: Done, listed: tuple[str, ...]) -> Outcome:
    plan, begin = prepared.paper.plan, bench.journal.begin
    happened = Outcome(
        type="kagimori/outcome/v1",
        sequence=plan.sequence,
        plan=prepared.paper.digest,
        authorization=staging.digest(prepared.authorization),
        started=begin.started,
        finished=render_instant(run.clock()),
        operator=begin.operator,
        tool=begin.tool,
        token=facts_of(bench.desk.token(prepared.needs.acting.serial)),
        results=done.results,
        durations=tuple(bench.journal.duration(number) for number in range(1, len(plan.actions) + 1)),
        notes=notes.read(prepared.paper.path, plan.sequence),
        annexes=listed,
    )
    outcome.validate(happened)
    return happened
