"""Which verifier keys may stand for a witness of the log: cosignature keys, each once (C2SP tlog-cosignature)."""

from __future__ import annotations

from appliance.ledger.errors import Malformed, PolicyInvalid
from appliance.ledger.text import require_line
from appliance.tlog.errors import VerifierKeyInvalid
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, KINDS, VerifierKey

MOST = 8
_ALLOWED = (COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44)


def keys(listed: tuple[str, ...]) -> tuple[VerifierKey, ...]:
    """The keys of a policy's witnesses, in the policy's order.

    Raises:
        PolicyInvalid: one is no verifier key of a witness, one is there twice, or there are too many.
    """
    if len(listed) > MOST:
        raise PolicyInvalid(f"policy: log: {len(listed)} witnesses; at most {MOST}")
    found = tuple(_key(number, vkey) for number, vkey in enumerate(listed, start=1))
    seen: set[object] = set()
    for key in found:
        for fact, what in (((key.name, key.kind), f"an {kind_in_words(key)} key"), (key.public, "the same key")):
            if fact in seen:
                raise PolicyInvalid(f"policy: log: witness {key.name} is listed twice with {what}")
            seen.add(fact)
    return found


def kind_in_words(key: VerifierKey) -> str:
    """``Ed25519`` or ``ML-DSA-44``."""
    return KINDS[key.kind][0].removesuffix(" cosignature")


def _key(number: int, vkey: str) -> VerifierKey:
    try:
        key = VerifierKey.parse(vkey)
        require_line("name", key.name)
    except (VerifierKeyInvalid, Malformed) as error:
        raise PolicyInvalid(f"policy: log: witness {number}: {error.message}") from error
    if key.kind not in _ALLOWED:
        raise PolicyInvalid(
            f"policy: log: witness {key.name}: a key of type {KINDS[key.kind][0]}; a witness has a cosignature key",
            "take the keys that `appliance oversight init` printed",
        )
    return key
