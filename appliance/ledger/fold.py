"""The state that a ledger's entries add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.ledger.policy import Policy
from appliance.ledger.roster import Roster
from appliance.ledger.states import KeyState
from appliance.numbers.domains import DomainTree, Generation


@dataclass(frozen=True)
class KeyRecord:
    """One key generation as the ledger has it. ``key_id``: CKA_ID, 16 bytes; ``check_value``: 6 bytes."""

    generation: Generation
    parent: Generation | None
    key_id: bytes
    check_value: bytes
    state: KeyState
    before_suspension: KeyState | None = None


@dataclass(frozen=True)
class LedgerState:
    """Everything the ledger says now. ``head`` and ``anchor`` are lower-case hex SHA-256."""

    sequence: int
    head: str
    anchor: str
    rehearsal: bool
    token_label: str
    token_serial: str
    identity_key_id: bytes
    identity_certificate: bytes
    roster: Roster
    policy: Policy
    tree: DomainTree
    titles: Mapping[str, str]
    keys: Mapping[Generation, KeyRecord]
    current: Mapping[str, Generation]
