"""Clones on their tokens: keys brought to one, sealed, its own log key made, and all of it removed again."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.ledger import clones
from appliance.ledger.actions import EnrollClone, RemoveClone, UpdateClone
from appliance.ledger.book import Book
from appliance.ledger.keys import KeyRecord
from appliance.ledger.outcome import CloneEnrolled, CloneLogKey, CloneRemoved, CloneUpdated, CopiedKey
from appliance.ledger.state import LedgerState
from keyceremony.act.work import logkeys
from keyceremony.act.work.bench import Bench
from keyceremony.act.work.keys import require_absent
from keyceremony.act.work.recovery import facts_of
from keyceremony.act.work.transfer import from_backup, make_transport, require_all


def enroll(bench: Bench, action: EnrollClone, state: LedgerState) -> CloneEnrolled:
    """Every key that can be copied on the clone, sealed and tried, and its own log key if it keeps a log."""
    keys = _bring(bench, action, state)
    return CloneEnrolled(
        token=facts_of(bench.desk.token(action.token_serial)), keys=keys, log_key=_log_key(bench, action)
    )


def update(bench: Bench, action: UpdateClone, state: LedgerState) -> CloneUpdated:
    """The keys that the clone lacks, likewise."""
    return CloneUpdated(serial=action.token_serial, keys=_bring(bench, action, state))


def remove(bench: Bench, action: RemoveClone, state: LedgerState) -> CloneRemoved:
    """The clone emptied, and the absence of every key proven, unless it is lost."""
    clone = state.clones[action.token_serial]
    held = [] if action.lost else [key.key_id for key in clones.held(state.keys, clone.serial)]
    if not action.lost and clone.log_name is not None:
        held.append(clone.log_key_id)
    for key_id in held:
        what = f"destroy {key_id.hex()} on {clone.label}"
        bench.destroy(f"1.gone.{clone.serial}.{key_id.hex()}", clone.serial, key_id, what)
    for key_id in held:
        require_absent(bench.desk.token(clone.serial), key_id)
    return CloneRemoved(serial=clone.serial, removed=tuple(key_id.hex() for key_id in held))


def _bring(bench: Bench, action: EnrollClone | UpdateClone, state: LedgerState) -> tuple[CopiedKey, ...]:
    """The keys under a transport key that was made for this and is gone afterwards, and so is the trust in it."""
    wanted: Sequence[KeyRecord] = clones.due(Book(state), action)
    transport = make_transport(bench, "1.transport", action.token_serial)
    keys = from_backup(bench, action.source, transport, wanted, state, sealed=True)
    bench.erase("1.transport")
    require_all(bench, action.token_serial, wanted, sealed=True)
    return keys


def _log_key(bench: Bench, action: EnrollClone) -> CloneLogKey | None:
    if action.log_name is None:
        return None
    return logkeys.make(bench, "1.log", "1.log-name", action.token_serial, clones.log_label(action.log_name))
