"""Keys that convert nothing: ``log`` signs the log's checkpoints, ``tag`` makes subject tags; which of them are in use.

They are handled like the keys of a domain, generation by generation, but are no domains of the tree: no number is
written under them, nothing stands on them, and no pair of the policy can name them. A log key is never copied: who
had a copy could sign another history. What it signed stays verifiable by its public key, which is ledger content.

Every appliance keeps a log of its own, by a name of its own. That of the appliance that the ledger was founded on is
signed by the generations of ``log``; that of an appliance on a clone by the key that was made on the clone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.ledger.states import READABLE
from appliance.numbers.domains import Generation

if TYPE_CHECKING:  # these name the keys as well
    from appliance.ledger.keys import KeyRecord
    from appliance.ledger.state import LedgerState

LOG = "log"
TAG = "tag"
SERVICE = (LOG, TAG)
MAIN_LOG = "main"
"""The name of a log, when nothing else is said ([audit] name); no clone's log can be called so."""
TITLES = {LOG: "監査記録への署名 (signs the audit log)", TAG: "対象者タグ (subject tags in the audit log)"}

# SubjectPublicKeyInfo of an Ed25519 key: id-Ed25519 without parameters, then a BIT STRING (RFC 8410, section 4).
_INFO_HEAD = bytes.fromhex("302a300506032b6570032100")
PUBLIC_BYTES = 32


def is_reserved(domain: str) -> bool:
    """Whether a domain of the tree must not be called so: ``log``, ``tag``, and sectors of theirs."""
    return domain.partition(".")[0] in SERVICE


def info_of(raw: bytes) -> bytes:
    """SubjectPublicKeyInfo (DER) of a raw Ed25519 public key.

    Raises:
        ValueError: not 32 bytes.
    """
    if len(raw) != PUBLIC_BYTES:
        raise ValueError(f"an Ed25519 public key has {PUBLIC_BYTES} bytes, not {len(raw)}")
    return _INFO_HEAD + raw


def raw_of(info: bytes) -> bytes:
    """The 32 bytes of an Ed25519 public key (RFC 8032, section 5.1.5) in a SubjectPublicKeyInfo.

    Raises:
        ValueError: it is of another kind, or not the one encoding.
    """
    if len(info) != len(_INFO_HEAD) + PUBLIC_BYTES or not info.startswith(_INFO_HEAD):
        raise ValueError("not the SubjectPublicKeyInfo of an Ed25519 key (RFC 8410)")
    return info[len(_INFO_HEAD) :]


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
