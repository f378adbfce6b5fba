"""The keys an engine works with: which ones the ledger must have, opened and checked on the token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from appliance.engine.tokens import Seat
from appliance.errors import KagimoriError
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.ledger.servicekeys import current_log, current_tag
from appliance.ledger.services import LOG, TAG
from appliance.ledger.states import READABLE, KeyState
from appliance.numbers.aes import EncryptBlocks
from appliance.numbers.domains import Generation
from appliance.token.features import CONVERSION
from appliance.token.features import LOG as LOG_KEYS
from appliance.token.token import Token

_NEEDED_FOR = {
    LOG: "no checkpoint of the audit log could be signed",
    TAG: "no conversion could be found again for the person it was about",
}


class ServiceKeyMissing(KagimoriError):
    """The ledger has no key in use for the audit log, so nothing may be converted."""

    exit_code: ClassVar[int] = 4


@dataclass(frozen=True)
class OpenKeys:
    """``blocks``: AES of each readable key, of domains and of ``tag``; ``sign``: Ed25519 of the log's key.

    ``sign``: None if that key is not on this token. ``log``: its generation, None also for a clone's own.
    """

    blocks: Mapping[Generation, EncryptBlocks]
    log: Generation | None
    sign: Callable[[bytes], bytes] | None

    def encryptor(self, record: KeyRecord) -> EncryptBlocks:
        """AES of a key that is open."""
        return self.blocks[record.generation]

    def __contains__(self, generation: Generation) -> bool:
        return generation in self.blocks or generation == self.log


def require_service_keys(state: LedgerState, log_name: str) -> None:
    """Refuse a ledger without a key in use that signs the log ``log_name``, or without a tag key in use.

    Raises:
        ServiceKeyMissing: naming the key and the actions that would make it.
    """
    if current_log(state, log_name) is None:
        raise _missing(state, LOG)
    if current_tag(state) is None:
        raise _missing(state, TAG)


def open_keys(token: Token, state: LedgerState, seat: Seat) -> OpenKeys:
    """Every readable key, its check value checked, and the log's key if this token signs, its signature tried.

    Raises:
        TokenError: a key is missing, there twice, or not the one that the ledger has.
        CiphertextAltered: the token answered a check block in two ways.
        FeatureMissing: the token cannot do what its keys are for.
    """
    token.require_features(CONVERSION, *(() if seat.log is None else (LOG_KEYS,)), made=True)
    readable = (key for key in state.keys.values() if key.state in READABLE and key.generation.domain != LOG)
    blocks = {key.generation: token.encrypt_blocks(key.key_id, key.check_value) for key in readable}
    if seat.log is None:
        return OpenKeys(blocks, None, None)
    sign = token.log_signer(seat.log.key_id, seat.log.public_key).sign
    return OpenKeys(blocks, None if seat.clone else seat.log.generation, sign)


def _missing(state: LedgerState, name: str) -> ServiceKeyMissing:
    return ServiceKeyMissing(
        f"the ledger has no active {name} key: {_NEEDED_FOR[name]}", f"keyceremony plan keys {_steps(state, name)}"
    )


def _steps(state: LedgerState, name: str) -> str:
    """The actions that give the ledger such a key, as a person types them."""
    of_name = [key for key in state.keys.values() if key.generation.domain == name]
    made = max((key.generation for key in of_name if key.state is KeyState.GENERATED), default=None)
    if made is not None:
        return f"'activate {made}'"
    number = max((key.generation.number for key in of_name), default=0) + 1
    return f"'generate {name}' 'activate {name}.{number}'"
