"""Undoing a run that cannot be carried on, and the signed record that is left of it.

Undoing needs nothing but the journal: what it says was made, or was about to be, is removed from its token. Once
something that was there before has been destroyed, nothing is undone any more: such a run can only be completed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from appliance.commandline import visible
from appliance.errors import KagimoriError
from appliance.ledger import annexes, canonical, cms, files
from appliance.ledger.annexes import Attempt
from appliance.ledger.text import render_instant
from keyceremony import workspace
from keyceremony.act.journal import Journal, Made
from keyceremony.act.prepare import Prepared
from keyceremony.act.work import carryout, identity
from keyceremony.act.work.bench import Bench
from keyceremony.act.work.recovery import facts_of
from keyceremony.errors import ExecutionFailed
from keyceremony.signals import undisturbed
from keyceremony.table import staging

_LONGEST_REASON = 2000


@dataclass(frozen=True)
class Fate:
    """What became of the things a run made; ``recorded``: the name of the record in the ledger's folder."""

    removed: tuple[Made, ...]
    left: tuple[Made, ...]
    recorded: str | None


@contextmanager
def unless_done(bench: Bench, prepared: Prepared) -> Iterator[None]:
    """Undo everything if the block does not come to a signed outcome.

    Raises:
        ExecutionFailed: in place of whatever ended it; tells of the fate of what was made.
    """
    try:
        yield
    except BaseException as error:
        if staging.settled(prepared.ledger, prepared.sequence):
            raise
        raise _failed(bench, prepared, error) from error


def undo(bench: Bench, prepared: Prepared, ended_by: Literal["failure", "abort"], reason: str) -> Fate:
    """Remove what the run made and leave a signed record; the journal goes to the papers only if both succeed.

    For a run that is not past its return (`keyceremony.act.recover.require_undoable`).
    """
    with undisturbed():  # impatience leaves no key behind
        step = bench.journal.last_step()
        made = bench.journal.made()
        left = tuple(one for one in made if not _removed(bench, one))
        removed = tuple(one for one in made if one not in left)
        recorded = None if left else _recorded(bench, prepared, _Ending(ended_by, reason, step, removed))
        if recorded is not None:
            bench.journal.write("run", "undone")
            put_away(prepared.ledger, bench.journal)
    return Fate(removed, left, recorded)


def put_away(ledger: Path, journal: Journal) -> None:
    """The journal of a run that was undone and recorded goes where such journals are kept."""
    staging.clear(ledger, journal.begin.sequence)
    journal.put_away(workspace.failed_folder(ledger, journal.begin.sequence))


@dataclass(frozen=True)
class _Ending:
    by: Literal["failure", "abort"]
    reason: str
    step: str
    removed: tuple[Made, ...]


def _failed(bench: Bench, prepared: Prepared, error: BaseException) -> KagimoriError:
    reason, hint = _told(error)
    if bench.journal.irreversible:
        return ExecutionFailed(
            f"{reason}; keys have been destroyed already, so this run can only be completed",
            "put the cause right, then: keyceremony resume",
        )
    fate = undo(bench, prepared, "failure", reason)
    text, advice = in_words(fate)
    return ExecutionFailed(f"{reason}; {text}", advice or hint)


def in_words(fate: Fate) -> tuple[str, str | None]:
    """What became of what was made, and what to do about it."""
    if fate.left:
        ids = ", ".join(f"{one.key_id.hex()} ({one.what})" for one in fate.left)
        return f"LEFT ON A TOKEN that nothing accounts for: {ids}", "put the token back, then: keyceremony abort"
    if fate.recorded is None:
        return (
            "what was made was removed again, but the record of it could not be signed or written",
            "put the cause right, then: keyceremony abort",
        )
    made = "what was made in this run was removed again" if fate.removed else "nothing was changed on a token"
    return f"{made}; recorded as {fate.recorded}", None


def _told(error: BaseException) -> tuple[str, str | None]:
    match error:
        case KagimoriError():
            return error.message, error.hint
        case KeyboardInterrupt():
            return "stopped", None
        case _:
            return f"{type(error).__name__}: {error}", None


def _removed(bench: Bench, made: Made) -> bool:
    try:
        bench.desk.token(made.serial).remove(made.key_id)
    except KagimoriError:
        return False
    return True


def _recorded(bench: Bench, prepared: Prepared, ending: _Ending) -> str | None:
    """Sign the record and put it into the ledger's folder; its name there, None if that could not be done."""
    try:
        step = f"record.{len(bench.journal.lines)}"
        content = canonical.encode(_attempt(bench, prepared, ending))
        data = cms.sign(content, _signer(bench, prepared, step), datetime.now(UTC))
        name = annexes.next_name(_names(prepared), prepared.sequence, "attempt")
        annexes.verify(name, data, prepared.sequence, prepared.state, None)
        bench.erase(step)
        files.add_annex(prepared.ledger, name, data)
    except (KagimoriError, OSError):
        return None
    return name


def _names(prepared: Prepared) -> list[str]:
    return list(files.read(prepared.ledger)) if prepared.ledger.is_dir() else []


def _signer(bench: Bench, prepared: Prepared, step: str) -> cms.Signer:
    """Whose key the outcome would have had; before there is a ledger, one made for this record alone."""
    if prepared.state is not None:
        return carryout.signer_of(prepared.paper.plan, prepared.state).signer(bench)
    serial = prepared.needs.signer.serial
    return identity.make(bench, step, serial).signer(bench)


def _attempt(bench: Bench, prepared: Prepared, ending: _Ending) -> Attempt:
    begin = bench.journal.begin
    return Attempt(
        type="kagimori/attempt/v1",
        sequence=begin.sequence,
        plan=begin.plan,
        started=begin.started,
        ended=render_instant(max(datetime.now(UTC), datetime.fromisoformat(begin.started))),
        operator=begin.operator,
        tool=begin.tool,
        token=facts_of(bench.desk.token(prepared.needs.signer.serial)),
        ended_by=ending.by,
        reason=(" ".join(visible(ending.reason).split()) or "no reason given")[:_LONGEST_REASON],
        step=ending.step,
        removed=tuple(one.key_id.hex() for one in ending.removed),
        left=(),
    )
