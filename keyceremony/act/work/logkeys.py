"""Making log keys: an Ed25519 pair that signs checkpoints, of which no copy is ever made."""

from __future__ import annotations

from appliance.ledger import attributes as rules
from appliance.ledger.actions import Generate
from appliance.ledger.outcome import CloneLogKey, GeneratedPair
from appliance.ledger.publickey import encode_log_key, log_check_value
from appliance.ledger.state import LedgerState
from keyceremony.act.work.bench import STAGING, Bench


def generate(bench: Bench, number: int, action: Generate, state: LedgerState) -> GeneratedPair:
    """A new pair, read back, tried, and only then given its name; its public key as the token has it.

    Raises:
        AttributesRefused, SignatureMismatch: the token made something else than it was asked for.
        TokenError: the token refused or is gone.
    """
    name = action.generation
    made = make(bench, f"{number}.key", f"{number}.name", state.token_serial, name)
    return GeneratedPair(
        generation=name,
        key_id=made.key_id,
        check_value=made.check_value,
        public_key=made.public_key,
        attributes=made.attributes,
    )


def make(bench: Bench, step: str, naming: str, serial: str, label: str) -> CloneLogKey:
    """A new pair on a token: read back, tried, and given its label; ``step`` and ``naming`` are the journal's steps.

    Raises:
        AttributesRefused, SignatureMismatch, TokenError: as `generate`.
    """
    token = bench.desk.token(serial)

    def making(key_id: bytes) -> None:
        token.generate_log_key(key_id, STAGING + label)

    key_id, _ = bench.make(step, serial, f"key {label}", making)
    public = token.log_public_key(key_id)  # whatever a journal says
    rules.require_log_key(label, token.attributes(key_id))
    token.log_signer(key_id, public)  # signs and is verified
    bench.do(naming, lambda: token.relabel(key_id, label))
    return CloneLogKey(
        key_id=key_id.hex(),
        check_value=log_check_value(public).hex(),
        public_key=encode_log_key(public),
        attributes=token.attributes(key_id),
    )
