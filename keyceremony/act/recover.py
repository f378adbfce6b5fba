"""After a run that was cut off: going on where it stopped, or undoing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.ledger import chain, files
from appliance.ledger.state import LedgerState
from keyceremony.act import execute, prepare, undo
from keyceremony.act import journal as journals
from keyceremony.act.desk import Desk
from keyceremony.act.execute import Run
from keyceremony.act.journal import Journal
from keyceremony.act.prepare import Prepared
from keyceremony.act.undo import Fate
from keyceremony.act.work.bench import Bench
from keyceremony.errors import InterruptedRun, NothingToResume, PastReturn
from keyceremony.table import staging


@dataclass(frozen=True)
class Broken:
    """A run that was cut off.

    ``prepared`` None: its outcome is signed, or it was undone and recorded, so that no token is needed any more.
    """

    journal: Journal
    prepared: Prepared | None


def find(ledger: Path, anchor: str) -> Broken:
    """The run that was cut off on a ledger, verified anew.

    Raises:
        NothingToResume: there is none.
        JournalDamaged, LedgerError: its journal, authorization or ledger cannot be relied on.
    """
    path = journals.left_behind(ledger)
    if path is None:
        raise NothingToResume(f"{ledger}: no execute was cut off", "keyceremony status tells where things stand")
    journal = Journal.open(path)
    if staging.settled(ledger, journal.begin.sequence) or journal.has("undone"):
        return Broken(journal, None)
    return Broken(journal, prepare.prepare_again(ledger, anchor, journal))


def require_none(ledger: Path) -> None:
    """Refuse to begin anything while a run that was cut off waits.

    Raises:
        InterruptedRun: one does.
    """
    path = journals.left_behind(ledger)
    if path is not None:
        raise InterruptedRun(
            f"{path}: an execute was cut off", "keyceremony resume goes on with it, keyceremony abort undoes it"
        )


def finish(ledger: Path, anchor: str, journal: Journal) -> LedgerState | None:
    """Complete the ledger of a run whose outcome is signed, or put away one that was undone (None), without a token.

    Raises:
        LedgerError, InterruptedRun: see `execute.complete`.
    """
    if journal.has("undone"):
        undo.put_away(ledger, journal)
        return None
    if staging.staged(ledger, journal.begin.sequence) is not None:
        return execute.complete(ledger, anchor, journal)
    state = chain.verify(files.read(ledger), anchor)
    execute.tidy(ledger, journal)
    return state


def resume(broken: Broken, prepared: Prepared, desk: Desk, run: Run) -> LedgerState:
    """Go on where the run stopped.

    Raises:
        ExecutionFailed: it could not be carried on, and was undone (or was past that); it says which.
    """
    return execute.go_on(prepared, desk, run, broken.journal)


def require_undoable(broken: Broken) -> Prepared:
    """The run, if it can still be undone.

    Raises:
        PastReturn: its outcome is signed, or something was destroyed.
    """
    if broken.prepared is None:  # one that was undone is put away by `finish`
        raise PastReturn(
            "the plan was carried out, and its outcome is signed", "keyceremony resume completes the ledger"
        )
    if broken.journal.irreversible:
        raise PastReturn(
            "keys have been destroyed in this run already: it can only be completed", "keyceremony resume completes it"
        )
    return broken.prepared


def abort(broken: Broken, prepared: Prepared, desk: Desk, reason: str) -> Fate:
    """Undo the run and leave a signed record; ``prepared`` is what `require_undoable` has answered."""
    return undo.undo(Bench(broken.journal, desk, prepared.state), prepared, "abort", reason)
