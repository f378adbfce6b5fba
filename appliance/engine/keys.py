"""The keys an engine works with: which ones the ledger must have, opened and checked on the token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from appliance.errors import KagimoriError
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.ledger.servicekeys import LOG, SERVICE, TAG
from appliance.ledger.states import READABLE, KeyState
from appliance.numbers.domains import Generation
from appliance.numbers.ff1 import EncryptBlocks
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
    """``blocks``: AES of each readable key, of domains and of ``tag``; ``sign``: Ed25519 of the current log key."""

    blocks: Mapping[Generation, EncryptBlocks]
    log: Generation
    sign: Callable[[bytes], bytes]

    def __contains__(self, generation: Generation) -> bool:
        return generation in self.blocks or generation == self.log


def require_service_keys(state: LedgerState) -> None:
    """Refuse a ledger without a log key or a tag key in use.

    Raises:
        ServiceKeyMissing: naming the key and the actions that would make it.
    """
    for name in SERVICE:
        _require(state, name)


def open_keys(token: Token, state: LedgerState) -> OpenKeys:
    """Every readable key, its check value checked, and the current log key, its signature tried.

    Raises:
        ServiceKeyMissing: the ledger has no log key in use.
        TokenError: a key is missing, there twice, or not the one that the ledger has.
    """
    log = _require(state, LOG)
    readable = (key for key in state.keys.values() if key.state in READABLE and key.generation.domain != LOG)
    blocks = {key.generation: token.encrypt_blocks(key.key_id, key.check_value) for key in readable}
    return OpenKeys(blocks, log.generation, token.log_signer(log.key_id, log.public_key).sign)


def _require(state: LedgerState, name: str) -> KeyRecord:
    if name in state.current:
        return state.keys[state.current[name]]
    raise ServiceKeyMissing(
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
