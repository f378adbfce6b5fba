"""Which of the keys that convert nothing are in use: the log's, which sign checkpoints, and those of subject tags.

A log key is never copied: who had a copy could sign another history. What it signed stays verifiable by its public
key, which is ledger content.

Every appliance keeps a log of its own, by a name of its own. That of the appliance that the ledger was founded on is
signed by the generations of ``log``; that of an appliance on a clone by the key that was made on the clone.
"""

from __future__ import annotations

from appliance.ledger.keys import KeyRecord
from appliance.ledger.publickey import raw_of
from appliance.ledger.services import LOG, MAIN_LOG, TAG
from appliance.ledger.state import LedgerState
from appliance.ledger.states import READABLE
from appliance.numbers.domains import Generation


def current_log(state: LedgerState, name: str = MAIN_LOG) -> KeyRecord | None:
    """The key that signs checkpoints of the log ``name`` now; None: there is no active one, and no daemon starts."""
    if name in state.clone_logs:
        last = state.clone_logs[name][-1]
        return last if last.state in READABLE else None
    return _current(state, LOG)


def log_on(state: LedgerState, serial: str) -> KeyRecord | None:
    """The key on a token that signs a log now; None: an engine on that token signs nothing."""
    if serial == state.token_serial:
        return _current(state, LOG)
    clone = state.clones.get(serial)
    return None if clone is None or clone.log_name is None else current_log(state, clone.log_name)


def current_tag(state: LedgerState) -> KeyRecord | None:
    """The key that makes tags now; None: there is no active one, and a daemon must not start."""
    return _current(state, TAG)


def readable_tags(state: LedgerState) -> tuple[KeyRecord, ...]:
    """The tag keys that look-ups may use, the newest first (by activation, so the current one leads)."""
    found = [key for key in state.keys.values() if key.generation.domain == TAG and key.state in READABLE]
    return tuple(sorted(found, key=lambda key: key.activated, reverse=True))


def log_records(state: LedgerState, name: str = MAIN_LOG) -> dict[Generation, KeyRecord]:
    """Every key that was ever in use to sign the log ``name`` ([audit] name), in order of their numbers.

    Also those that are suspended, retired, destroyed or lost: what they signed in their time stays signed. Of a clone's
    log they are the clone's keys and never the appliance's; they are numbered within that log, as ``log.1``, ``log.2``.
    """
    if name in state.clone_logs:
        return {key.generation: key for key in state.clone_logs[name]}
    return {made: key for made, key in sorted(state.keys.items()) if made.domain == LOG and key.activated}


def log_keys(state: LedgerState, name: str = MAIN_LOG) -> dict[Generation, bytes]:
    """Raw Ed25519 public keys (32 bytes) that may have signed checkpoints of the log ``name``; see `log_records`."""
    return {made: raw_of(key.public_key) for made, key in log_records(state, name).items()}


def _current(state: LedgerState, name: str) -> KeyRecord | None:
    generation = state.current.get(name)
    return None if generation is None else state.keys[generation]
