"""Comparing token and ledger: keys that one has and the other does not."""

from __future__ import annotations

from appliance.ledger.fold import LedgerState
from appliance.ledger.states import GONE
from appliance.token.token import Token


def orphans(token: Token, state: LedgerState | None) -> list[str]:
    """A sentence for each key that only the token, or only the ledger, knows; reads the token, changes nothing."""
    known = _known(state) if state else {}
    held = set(token.key_ids())
    strange = [
        f"key {key_id.hex()} is unknown to the ledger; see docs/ceremony-trouble.md"
        for key_id in sorted(held - set(known))
    ]
    missing = [
        f"key {known[key_id]} ({key_id.hex()}) of the ledger is not there" for key_id in sorted(set(known) - held)
    ]
    return strange + missing


def _known(state: LedgerState) -> dict[bytes, str]:
    known = {key.key_id: str(gen) for gen, key in state.keys.items() if key.state not in GONE}
    return {**known, state.identity_key_id: "identity"}
