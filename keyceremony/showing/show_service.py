"""What people should know of an action on a key that converts nothing: the one that signs the log, the one for tags."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.ledger.actions import Generate, KeyAction, action_name
from appliance.ledger.services import LOG, TAG
from appliance.numbers.domains import Generation

_WORDS: Mapping[tuple[str, str], str] = {
    (LOG, "generate"): "an Ed25519 pair that signs the log's checkpoints; it never leaves the token, and has NO COPY",
    (LOG, "activate"): "signs every checkpoint once the daemon has reloaded the ledger",
    (LOG, "restrict"): "signs nothing any more; what it has signed stays valid",
    (LOG, "suspend"): "signs nothing until resumed; without another active log key no daemon starts",
    (LOG, "resume"): "may sign again",
    (LOG, "retire"): "can never sign again; what it has signed stays valid",
    (LOG, "destroy"): "FOR EVER: its public key stays in the ledger, and what it has signed stays valid",
    (TAG, "generate"): "makes the subject tags by which one person's records are found in the log; converts no number",
    (TAG, "activate"): "new records are tagged with it; look-ups use the older readable ones as well",
    (TAG, "restrict"): "look-ups still use it",
    (TAG, "suspend"): "until resumed nobody finds the records that were tagged with it",
    (TAG, "resume"): "look-ups use it again",
    (TAG, "retire"): "nobody finds the records that were tagged with it any more",
    (TAG, "destroy"): "FOR EVER: no record that was tagged with it can ever be found by a person's number again",
}


def meaning(action: Generate | KeyAction) -> str | None:
    """One line about an action on a service key; None: there is nothing to say, or it is another key."""
    return _WORDS.get((Generation.parse(action.generation).domain, action_name(action)))


def given_up(name: str, state: str) -> str:
    """What a restore does to a log key, of which there is no copy. ``state``: `` (active now)``, or nothing."""
    return f"{name}{state} goes with the old token: what it signed stays valid; the next plan must make another"
