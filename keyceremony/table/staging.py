"""The two files of an entry before they are in the ledger: they wait, durable, in the pending folder.

The authorization waits there from the beginning of a run, beside its journal; the outcome once it is signed. A machine
that dies between the two files of the ledger would leave one that every reader refuses; what waits here lets
``keyceremony resume`` complete it without touching a token.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from appliance.errors import KagimoriError
from appliance.ledger import chain, files
from appliance.ledger.state import LedgerState
from keyceremony import workspace
from keyceremony.errors import FileProblem, InterruptedRun


def _paths(ledger: Path, sequence: int) -> tuple[Path, Path]:
    folder = workspace.pending_folder(ledger)
    return folder / chain.authorization_name(sequence), folder / chain.outcome_name(sequence)


def digest(authorization: bytes) -> str:
    """SHA-256 in lower-case hex, as outcomes name an authorization."""
    return hashlib.sha256(authorization).hexdigest()


def stage_authorization(ledger: Path, sequence: int, authorization: bytes) -> None:
    """Make the authorization durable before the journal begins; one that a run left before that is replaced.

    Raises:
        FileProblem: the folder cannot be written.
    """
    path, _ = _paths(ledger, sequence)
    path.unlink(missing_ok=True)
    workspace.create(path, authorization)


def stage_outcome(ledger: Path, sequence: int, outcome: bytes) -> None:
    """Make the signed outcome durable; whole or not there.

    Raises:
        OutputExists, FileProblem: nothing is left there.
    """
    _, path = _paths(ledger, sequence)
    partial = path.with_suffix(".part")
    workspace.check_absent(path)
    partial.unlink(missing_ok=True)
    try:
        workspace.create(partial, outcome)
        workspace.rename(partial, path)
    except BaseException:
        for leftover in (path, partial):
            leftover.unlink(missing_ok=True)
        raise


def authorization(ledger: Path, sequence: int) -> bytes:
    """The authorization that waits.

    Raises:
        FileProblem: it is not there.
    """
    return workspace.read(_paths(ledger, sequence)[0])


def staged(ledger: Path, sequence: int) -> tuple[bytes, bytes] | None:
    """The two files that wait, or None while there is no outcome."""
    first, second = _paths(ledger, sequence)
    return (workspace.read(first), workspace.read(second)) if first.is_file() and second.is_file() else None


def settled(ledger: Path, sequence: int) -> bool:
    """Whether the outcome is signed and safe: it waits, or is in the ledger already."""
    return staged(ledger, sequence) is not None or (ledger / chain.outcome_name(sequence)).is_file()


def clear(ledger: Path, sequence: int) -> None:
    """Take both away, once they are in the ledger or the run was undone."""
    for path in _paths(ledger, sequence):
        path.unlink(missing_ok=True)


def check_none_waits(plan: Path, sequence: int) -> None:
    """Refuse to put away a plan that is being carried out.

    Raises:
        InterruptedRun: a run of it was cut off, and its journal lies beside the plan.
    """
    if (plan.parent / f"{sequence:06}.journal.jsonl").exists():
        raise InterruptedRun(
            f"{plan}: an execute of it was cut off",
            "keyceremony resume goes on with it, keyceremony abort undoes it",
        )


def complete(ledger: Path, anchor: str, sequence: int) -> LedgerState:
    """Put what waits into the ledger, verified once more.

    Raises:
        LedgerError: what waits does not go on this ledger.
        InterruptedRun: the ledger's folder could not be written; what waits is kept.
    """
    waiting = staged(ledger, sequence)
    if waiting is None:
        raise FileProblem(f"{_paths(ledger, sequence)[1]}: no outcome waits there", "keyceremony status")
    held = files.read(ledger)
    names = chain.authorization_name(sequence), chain.outcome_name(sequence)
    grown = {**held, **dict(zip(names, waiting, strict=True))}
    state = chain.verify(grown, anchor)
    if grown != held:
        _append(ledger, sequence, waiting)
    return state


def _append(ledger: Path, sequence: int, waiting: tuple[bytes, bytes]) -> None:
    try:
        files.append(ledger, sequence, *waiting)
    except KagimoriError as error:
        raise InterruptedRun(
            f"{error.message}; the plan was carried out, and its outcome waits in {workspace.pending_folder(ledger)}",
            "put the cause right; keyceremony resume then completes the ledger",
        ) from error
