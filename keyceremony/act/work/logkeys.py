"""Making log keys: an Ed25519 pair that signs checkpoints, of which no copy is ever made."""

from __future__ import annotations

from appliance.ledger import attributes as rules
from appliance.ledger.actions import Generate
from appliance.ledger.outcome import GeneratedPair
from appliance.ledger.publickey import encode_log_key, log_check_value
from appliance.ledger.state import LedgerState
from keyceremony.act.work.bench import STAGING, Bench


def generate(bench: Bench, number: int, action: Generate, state: LedgerState) -> GeneratedPair:
    """A new pair, read back, tried, and only then given its name; its public key as the token has it.

    Raises:
        AttributesRefused, SignatureMismatch: the token made something else than it was asked for.
        TokenError: the token refused or is gone.
    """
    appliance, name = bench.desk.token(state.token_serial), action.generation

    def making(key_id: bytes) -> None:
        appliance.generate_log_key(key_id, STAGING + name)

    key_id, _ = bench.make(f"{number}.key", state.token_serial, f"key {name}", making)
    public = appliance.log_public_key(key_id)  # whatever a journal says
    rules.require_log_key(name, appliance.attributes(key_id))
    appliance.log_signer(key_id, public)  # signs and is verified
    bench.do(f"{number}.name", lambda: appliance.relabel(key_id, name))
    return GeneratedPair(
        generation=name,
        key_id=key_id.hex(),
        check_value=log_check_value(public).hex(),
        public_key=encode_log_key(public),
        attributes=appliance.attributes(key_id),
    )
