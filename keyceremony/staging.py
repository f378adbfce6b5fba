"""The last step of an execute: the ledger's two files wait, durable, in the pending folder, then go into the ledger.

A machine that dies between the two would leave a ledger that every reader refuses; what waits here lets the
next execute complete it without touching the token.
"""

from __future__ import annotations

from pathlib import Path

from appliance.errors import KagimoriError
from appliance.ledger import chain, files
from appliance.ledger.fold import LedgerState
from keyceremony import workspace
from keyceremony.errors import InterruptedRun


def _names(sequence: int) -> tuple[str, str]:
    return chain.authorization_name(sequence), chain.outcome_name(sequence)


def _paths(ledger: Path, sequence: int) -> tuple[Path, Path]:
    first, second = _names(sequence)
    return workspace.pending_folder(ledger) / first, workspace.pending_folder(ledger) / second


def stage(ledger: Path, sequence: int, authorization: bytes, outcome: bytes) -> None:
    """Make both files durable in the pending folder; the outcome last and whole, for it tells that all is there.

    Raises:
        OutputExists, FileProblem: nothing is left there.
    """
    first, second = _paths(ledger, sequence)
    partial = second.with_suffix(".part")
    workspace.check_absent(second)
    for leftover in (first, partial):  # without the outcome, they are what a run left that died right here
        leftover.unlink(missing_ok=True)
    try:
        workspace.create(first, authorization)
        workspace.create(partial, outcome)
        workspace.rename(partial, second)
    except BaseException:
        for path in (second, partial, first):
            path.unlink(missing_ok=True)
        raise


def staged(ledger: Path, sequence: int) -> tuple[bytes, bytes] | None:
    """The two files that wait, or None."""
    first, second = _paths(ledger, sequence)
    return (workspace.read(first), workspace.read(second)) if first.is_file() and second.is_file() else None


def check_none_waits(plan: Path, sequence: int) -> None:
    """Raises InterruptedRun when the outcome of a plan of that number waits beside the plan's file."""
    if (plan.parent / chain.outcome_name(sequence)).exists():
        raise InterruptedRun(
            f"{plan}: a plan of this number was carried out, and its outcome waits for the ledger",
            "run keyceremony execute on it again: it completes the ledger",
        )


def complete(ledger: Path, anchor: str, plan: bytes, sequence: int) -> LedgerState | None:
    """Put what waits into the ledger, once more verified, and take it out of the pending folder; None: nothing waits.

    Args:
        ledger: its folder.
        anchor: its trust anchor.
        plan: the bytes of the plan that is meant.
        sequence: its number.

    Raises:
        LedgerError: what waits does not go on this ledger.
        InterruptedRun: another plan's outcome waits, or the ledger's folder could not be written; what waits is kept.
    """
    waiting = staged(ledger, sequence)
    if waiting is None:
        return None
    if chain.open_authorization(waiting[0]).plan_bytes != plan:
        raise InterruptedRun(
            f"{workspace.pending_folder(ledger)}: the outcome of another plan {sequence} waits there",
            "that plan was carried out: find it (pending/withdrawn, perhaps), and execute it to complete the ledger",
        )
    held = files.read(ledger)
    grown = {**held, **dict(zip(_names(sequence), waiting, strict=True))}
    state = chain.verify(grown, anchor)
    if grown != held:
        _append(ledger, sequence, waiting)
    for path in _paths(ledger, sequence):
        path.unlink()
    return state


def _append(ledger: Path, sequence: int, waiting: tuple[bytes, bytes]) -> None:
    try:
        files.append(ledger, sequence, *waiting)
    except KagimoriError as error:
        raise InterruptedRun(
            f"{error.message}; the plan was carried out, and its outcome waits in {workspace.pending_folder(ledger)}",
            "put the cause right and run the same command again: it completes the ledger",
        ) from error
