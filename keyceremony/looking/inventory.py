"""Tokens against ledger: what is there, missing, unaccounted for, or not as it must be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from appliance.errors import KagimoriError
from appliance.ledger import attributes as rules
from appliance.ledger.errors import AttributesRefused
from appliance.ledger.keys import KeyRecord
from appliance.ledger.state import LedgerState
from appliance.token.errors import SignatureMismatch
from appliance.token.token import Token
from keyceremony.act import expected
from keyceremony.act.expected import Wanted

PROBE = b"kagimori/inventory/v1"
Status = Literal["present", "missing", "unknown", "wrong attributes", "wrong check value", "wrong key", "unlooked"]


@dataclass(frozen=True)
class Finding:
    """One line of an inventory. ``token``: its label; ``key_id``: lower-case hex, empty where there is none."""

    status: Status
    token: str
    subject: str
    key_id: str
    text: str

    @property
    def attention(self) -> bool:
        """Whether somebody must look at it."""
        return self.status not in ("present", "unlooked")


def compare(state: LedgerState, serial: str, token: Token) -> list[Finding]:
    """The appliance's token, a backup token or a clone against the ledger; changes nothing.

    Raises:
        TokenError: the token is gone.
    """
    return list(_compare(token, expected.on_token(state, serial)))


def unlooked(state: LedgerState, serial: str) -> Finding:
    """A token that was not at hand."""
    if serial == state.token_serial:
        why = "not at hand, so nothing can be said of it"
        return Finding("unlooked", state.token_label, "the appliance's token", "", why)
    if serial in state.clones:
        return Finding("unlooked", state.clones[serial].label, "clone", "", "not at hand, so nothing can be said of it")
    label = state.backups[serial].label
    return Finding("unlooked", label, "backup token", "", "not at hand, so nothing can be said of its copies")


def _compare(token: Token, wanted: Mapping[bytes, Wanted]) -> Iterator[Finding]:
    held: dict[bytes, list[str]] = defaultdict(list)
    labels: dict[bytes, str] = {}
    for one in token.objects():
        held[one.key_id].append(one.kind)
        labels[one.key_id] = one.label
    for key_id, want in wanted.items():
        yield _judged(token, key_id, want, held.pop(key_id, []))
    for key_id in sorted(held):
        kinds = ", ".join(sorted(held[key_id]))
        text = f"{kinds} labelled {labels[key_id]!r} is on the token, and unknown to the ledger"
        yield Finding("unknown", token.facts.label, labels[key_id], key_id.hex(), text)


def _judged(token: Token, key_id: bytes, want: Wanted, kinds: list[str]) -> Finding:
    status, text = _look(token, key_id, want, kinds)
    return Finding(status, token.facts.label, want.what, key_id.hex(), text)


def _look(token: Token, key_id: bytes, want: Wanted, kinds: list[str]) -> tuple[Status, str]:
    if not kinds:
        return "missing", "the ledger has it, and the token does not"
    if sorted(kinds) != sorted(want.kinds):
        there, due = ", ".join(sorted(kinds)), ", ".join(sorted(want.kinds))
        return "wrong attributes", f"there is {there} under its CKA_ID, and there must be {due}"
    try:
        return _key(token, key_id, want)
    except SignatureMismatch as error:
        return "wrong key", error.message
    except KagimoriError as error:
        return "wrong attributes", error.message


def _transport(token: Token, key_id: bytes, public: bytes, kinds: frozenset[str]) -> tuple[Status, str]:
    """The transport key that was enrolled: its private half on the backup token, the public one trusted elsewhere."""
    found = token.transport_key(key_id) if "private_key" in kinds else token.trusted_key(key_id)
    return ("present", "") if found == public else ("wrong key", "it is not the transport key that was enrolled")


def _key(token: Token, key_id: bytes, want: Wanted) -> tuple[Status, str]:
    if want.certificate is not None:
        token.signer(want.certificate, key_id=key_id).sign(PROBE)  # verified with the certificate
        return "present", "signs"
    if want.public is not None:
        return _transport(token, key_id, want.public, want.kinds)
    if want.key is None:
        raise AssertionError(f"{want.what}: nothing is known of it")
    if want.rule is None:
        return _log_key(token, want.key, want.label)
    fault = _fault(token, want.key, want.rule, want.what)
    return fault or ("present", f"check value {want.key.check_value.hex()}, {want.key.state}")


def _log_key(token: Token, key: KeyRecord, name: str) -> tuple[Status, str]:
    """Both halves are the ledger's: the private one signs what its public key verifies, the public one is that key."""
    attributes = token.attributes(key.key_id)
    try:
        rules.require_log_key(name, attributes)
    except AttributesRefused as error:
        return "wrong attributes", error.reason.replace("the outcome says", "the token says")
    token.log_signer(key.key_id, key.public_key).sign(PROBE)
    if token.log_public_key(key.key_id) != key.public_key:
        return "wrong key", "its public half on the token is not the one that the ledger has"
    if attributes.get("label") != name:
        return "wrong attributes", f"its label is {attributes.get('label')!r}"
    return "present", f"signs; check value {key.check_value.hex()}, {key.state}"


def _fault(token: Token, key: KeyRecord, rule: Mapping[str, rules.Value], what: str) -> tuple[Status, str] | None:
    """What is wrong with a conversion key or a copy of one; None: nothing."""
    found = token.check_value(key.key_id)
    if found != key.check_value:
        return "wrong check value", f"{found.hex()}; the ledger says {key.check_value.hex()}: it is another key"
    attributes = token.attributes(key.key_id)
    try:
        rules.require_conversion_key(what, attributes, rule)
    except AttributesRefused as error:
        return "wrong attributes", error.reason.replace("the outcome says", "the token says")
    if attributes.get("label") != str(key.generation):
        return "wrong attributes", f"its label is {attributes.get('label')!r}"
    return None
