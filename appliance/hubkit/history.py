"""One person's conversions: the question, the typed answer, and the proof that its records are in the log.

The proof is checked by pure functions against log keys that the caller has from elsewhere (from the oversight body,
say), so a portal need not believe the daemon that a record is what was logged. What no proof can show: that nothing
was left out of the answer, since only the appliance knows which records are one person's.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec

from appliance.hubkit.errors import HistoryUnproven, ProtocolError
from appliance.hubkit.wire import NOT_JSON, domain_of
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import merkle
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import TlogError
from appliance.tlog.note import VerifierKey

PATH = "/v1/history"
_FIELDS = ("record", "time", "role", "source", "target", "purpose", "reference")


@dataclass(frozen=True, slots=True)
class PastConversion:
    """A conversion of the person's number. ``entry``: the record's bytes; ``proof``: hashes from its leaf upward."""

    record: int
    time: str
    role: str
    source: str
    target: str
    purpose: str
    reference: str
    entry: bytes = field(repr=False)
    proof: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class History:
    """The newest conversions first. ``source``: the generation that the number was read with.

    ``size``, ``root``, ``checkpoint``: the tree that the proofs lead to, and its signed note. ``before``: ask with it
    for the older ones; None: there are none.
    """

    source: str
    size: int
    root: bytes
    checkpoint: str
    conversions: tuple[PastConversion, ...]
    before: int | None


class _Question(msgspec.Struct, frozen=True):
    source: str
    number: str
    reference: str
    limit: int
    before: int | None


class _Conversion(msgspec.Struct, frozen=True):
    record: int
    time: str
    role: str
    source: str
    target: str
    purpose: str
    reference: str
    entry: str
    proof: list[str]


class _Answer(msgspec.Struct, frozen=True):
    source: str
    size: int
    root: str
    checkpoint: str
    conversions: list[_Conversion]
    before: int | None


def question(source: str, number: str, reference: str, limit: int, before: int | None) -> bytes:
    """The JSON body of ``POST /v1/history``."""
    return msgspec.json.encode(_Question(source, number, reference, limit, before))


def answer(body: bytes, source: str) -> History:
    """The history in an answer to a question by a number of ``source``. Nothing is proven yet.

    Raises:
        ProtocolError: not JSON of the promised shape, or about another domain.
    """
    try:
        said = msgspec.json.decode(body, type=_Answer)
        conversions = tuple(_conversion(one) for one in said.conversions)
        root = b64decode(said.root, validate=True)
    except (*NOT_JSON, ValueError) as error:
        raise ProtocolError(f"the answer is not a history: {error}") from None
    if said.source != source and domain_of(said.source) != source:
        raise ProtocolError(f"asked by a number of {source}, the answer is by one of {said.source}")
    return History(said.source, said.size, root, said.checkpoint, conversions, said.before)


def _conversion(said: _Conversion) -> PastConversion:
    facts = (said.record, said.time, said.role, said.source, said.target, said.purpose, said.reference)
    return PastConversion(
        *facts, b64decode(said.entry, validate=True), tuple(b64decode(one, validate=True) for one in said.proof)
    )


def verify_history(history: History, log_keys: Iterable[VerifierKey | str]) -> Checkpoint:
    """The checkpoint that all conversions of the history are proven to be under.

    Args:
        history: what `history` of a client gave.
        log_keys: verifier keys of the log (``appliance oversight verify`` prints them), of one origin.

    Raises:
        HistoryUnproven: the checkpoint is not signed by one of the keys, is not the one that the answer names, or a
            conversion is not what its record says, or its record is not in the tree. Names the record.
    """
    keys = [key if isinstance(key, VerifierKey) else VerifierKey.parse(key) for key in log_keys]
    if len({key.name for key in keys}) != 1:
        raise HistoryUnproven("a history is proven by the keys of one log", "give the verifier keys of that log")
    try:
        signed = checkpoints.verify(history.checkpoint.encode("utf-8"), keys, keys[0].name)
    except TlogError as error:
        raise HistoryUnproven(f"the checkpoint is refused: {error.message}") from None
    if (signed.checkpoint.size, signed.checkpoint.root) != (history.size, history.root):
        raise HistoryUnproven("size and root of the answer are not the checkpoint's")
    _require_order(history)
    for conversion in history.conversions:
        _verify(conversion, signed.checkpoint)
    return signed.checkpoint


def _require_order(history: History) -> None:
    records = [conversion.record for conversion in history.conversions]
    if any(later <= earlier for later, earlier in pairwise(records)):
        raise HistoryUnproven("the conversions are not in order, the newest first, each once")


def _verify(conversion: PastConversion, checkpoint: Checkpoint) -> None:
    logged = _logged(conversion)
    for name in _FIELDS:
        if logged.get(name) != getattr(conversion, name):
            raise HistoryUnproven(f"record {conversion.record}: the log has another {name} than the answer")
    leaf = merkle.leaf_hash(conversion.entry)
    try:
        merkle.verify_inclusion(leaf, conversion.record - 1, checkpoint.size, conversion.proof, checkpoint.root)
    except TlogError as error:
        raise HistoryUnproven(f"record {conversion.record}: not in the log: {error.message}") from None


def _logged(conversion: PastConversion) -> dict[str, Any]:
    try:
        logged = msgspec.json.decode(conversion.entry)
    except NOT_JSON:
        logged = None
    if not isinstance(logged, dict) or logged.get("kind") != "conversion":
        raise HistoryUnproven(f"record {conversion.record}: its entry is no record of a conversion")
    return logged
