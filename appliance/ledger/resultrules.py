"""What several kinds of result must hold to: identifiers, copies that are the ledger's keys, log keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from appliance.ledger import attributes as rules
from appliance.ledger.actions import Action, action_name, subject_of
from appliance.ledger.errors import KeyReused, OutcomeMismatch
from appliance.ledger.keys import KeyRecord
from appliance.ledger.outcome import CloneLogKey, CopiedKey, GeneratedPair
from appliance.ledger.publickey import decode_log_key, log_check_value

_LEAST_DISTINCT_BYTES = 6  # 16 random bytes have fewer with a probability below 10**-17


def require_random(key_id: bytes) -> None:
    """Refuse a key identifier that looks like a counter or a constant.

    Raises:
        KeyReused: it does.
    """
    if len(set(key_id)) < _LEAST_DISTINCT_BYTES:
        raise KeyReused(f"key_id {key_id.hex()} is not random; a counter or a constant could come back")


def mismatch(action: Action, why: str = "the outcome tells of something else") -> OutcomeMismatch:
    """What to raise when a result is not that of an action."""
    return OutcomeMismatch(f"{action_name(action)} {subject_of(action)}: {why}")


def same(action: Action, told: bool, why: str = "the outcome tells of something else") -> None:
    """Refuse a result of which something that was told is not so; raises OutcomeMismatch."""
    if not told:
        raise mismatch(action, why)


def check_copies(
    action: Action, copies: Iterable[CopiedKey], wanted: Iterable[KeyRecord], kind: Mapping[str, rules.Value]
) -> None:
    """Exactly the keys that must be there, each the very key of the ledger, with the attributes of its kind.

    Raises:
        OutcomeMismatch, AttributesRefused: it is otherwise.
    """
    told = [(one.generation, one.key_id, one.check_value, one.origin) for one in copies]
    held = [(str(k.generation), k.key_id.hex(), k.check_value.hex(), k.origin) for k in wanted]
    same(action, told == held, "the keys copied are not those of the ledger, one by one")
    for one in copies:
        rules.require_conversion_key(f"{one.generation} copied", one.attributes, kind)


def log_key(action: Action, whose: str, told: GeneratedPair | CloneLogKey) -> bytes:
    """The public half of a log key just made, SubjectPublicKeyInfo (DER).

    Raises:
        AttributesRefused, CertificateInvalid, OutcomeMismatch: it is none, or not what it must be.
    """
    rules.require_log_key(whose, told.attributes)
    info = decode_log_key(f"results: {whose}: public_key", told.public_key)
    expected = log_check_value(info).hex()
    same(action, told.check_value == expected, f"its public key has the check value {expected}")
    return info
