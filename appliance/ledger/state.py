"""What a ledger adds up to: a value, made by `appliance.ledger.fold` and changed by nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from appliance.ledger.actions import DomainSpec
from appliance.ledger.keys import KeyRecord
from appliance.ledger.policy import Policy
from appliance.ledger.roster import Roster
from appliance.numbers.domains import DomainTree, Generation


@dataclass(frozen=True)
class BackupToken:
    """A token that holds copies. ``enrolled``: the entry that enrolled it; what follows is known from its outcome.

    ``transport_key``: SubjectPublicKeyInfo (DER); ``trusted_id``: CKA_ID of its trusted public half on the
    appliance's token; ``identity_certificate``: DER.
    """

    label: str
    serial: str
    enrolled: int
    transport_id: bytes = b""
    transport_key: bytes = b""
    trusted_id: bytes = b""
    identity_key_id: bytes = b""
    identity_certificate: bytes = b""


@dataclass(frozen=True)
class CloneToken:
    """A token that converts beside the appliance's. ``enrolled``: the entry that enrolled it.

    ``log_name``: the log that its own appliance keeps ([audit] name), None: it serves engines only.
    ``log_key_id``, ``log_public_key``: CKA_ID and SubjectPublicKeyInfo (DER) of the key that signs that log; the
    latter is known from the entry's outcome. Both are empty without a log.
    """

    label: str
    serial: str
    enrolled: int
    log_name: str | None
    log_key_id: bytes = b""
    log_public_key: bytes = b""


@dataclass(frozen=True)
class LedgerState:
    """Everything the ledger says now. ``head`` and ``anchor`` are lower-case hex SHA-256.

    ``backups``: the backup tokens by serial number; ``drills``: when recovery from each was last rehearsed;
    ``restored``: the entry that restored the appliance's token, 0: it is the one of the genesis. ``clones``: by serial
    number; ``clone_logs``: by log name, every key that has ever signed that log on a clone, the newest last.
    """

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
    domains: tuple[DomainSpec, ...]
    tree: DomainTree
    titles: Mapping[str, str]
    keys: Mapping[Generation, KeyRecord]
    current: Mapping[str, Generation]
    backups: Mapping[str, BackupToken]
    drills: Mapping[str, str]
    restored: int = 0
    clones: Mapping[str, CloneToken] = field(default_factory=lambda: MappingProxyType({}))
    clone_logs: Mapping[str, tuple[KeyRecord, ...]] = field(default_factory=lambda: MappingProxyType({}))
