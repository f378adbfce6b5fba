"""One person's conversions: the question, the typed answer, and the proof that its records are in the log.

The proof is checked by pure functions against log keys that the caller has from elsewhere (from the oversight body,
say), so a portal need not believe the daemon that a record is what was logged. What no proof can show: that nothing
was left out of the answer, since only the appliance knows which records are one person's.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from appliance.hubkit.errors import HistoryUnproven, ProtocolError
from appliance.hubkit.wire import NOT_JSON, domain_of
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import cosignature as cosignatures
from appliance.tlog import merkle
from appliance.tlog.checkpoint import Checkpoint, Signed
from appliance.tlog.errors import TlogError
from appliance.tlog.note import VerifierKey

PATH = "/v1/history"
_FIELDS = ("record", "time", "role", "source", "target", "purpose", "reference")


@dataclass(frozen=True, slots=True)
class PastConversion:
    """A conversion of the person's number. ``entry``: the record's bytes; ``proof``: hashes from its leaf upward.

    ``cosigned_proof``: the same in the co-signed tree; None where the record is newer than that.
    """

    record: int
    time: str
    role: str
    source: str
    target: str
    purpose: str
    reference: str
    entry: bytes = field(repr=False)
    proof: tuple[bytes, ...] = field(repr=False)
    cosigned_proof: tuple[bytes, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CosignedTree:
    """The newest tree that witnesses co-signed: its signed note, and what that is about."""

    checkpoint: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class History:
    """The newest conversions first. ``source``: the generation that the number was read with.

    ``size``, ``root``, ``checkpoint``: the tree that the proofs lead to, and its signed note. ``before``: ask with it
    for the older ones; None: there are none. ``cosigned``: None if no witness has co-signed the log yet.
    """

    source: str
    size: int
    root: bytes
    checkpoint: str
    conversions: tuple[PastConversion, ...]
    before: int | None
    cosigned: CosignedTree | None = None


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What witnesses vouch for. ``by``: their names; ``at``: when each of them signed, seconds since 1970.

    ``checkpoint``: the tree that they saw; ``records``: the conversions of the history that are in it.
    """

    checkpoint: Checkpoint
    by: tuple[str, ...]
    at: tuple[int, ...]
    records: frozenset[int]


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
    cosigned_proof: list[str] | None = None


class _Cosigned(msgspec.Struct, frozen=True):
    checkpoint: str
    size: int
    root: str


class _Answer(msgspec.Struct, frozen=True):
    source: str
    size: int
    root: str
    checkpoint: str
    conversions: list[_Conversion]
    before: int | None
    cosigned: _Cosigned | None = None


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
        root, cosigned = _bytes(said.root), _cosigned(said.cosigned)
    except (*NOT_JSON, ValueError) as error:
        raise ProtocolError(f"the answer is not a history: {error}") from None
    if said.source != source and domain_of(said.source) != source:
        raise ProtocolError(f"asked by a number of {source}, the answer is by one of {said.source}")
    return History(said.source, said.size, root, said.checkpoint, conversions, said.before, cosigned)


def _conversion(said: _Conversion) -> PastConversion:
    facts = (said.record, said.time, said.role, said.source, said.target, said.purpose, said.reference)
    cosigned = None if said.cosigned_proof is None else tuple(map(_bytes, said.cosigned_proof))
    return PastConversion(*facts, _bytes(said.entry), tuple(map(_bytes, said.proof)), cosigned)


def _cosigned(said: _Cosigned | None) -> CosignedTree | None:
    return None if said is None else CosignedTree(said.checkpoint, said.size, _bytes(said.root))


def _bytes(text: str) -> bytes:
    """Base64, in its one spelling."""
    data = b64decode(text, validate=True)
    if b64encode(data).decode("ascii") != text:
        raise ValueError("base64 with stray bits at its end")
    return data


def verify_history(history: History, log_keys: Iterable[VerifierKey | str]) -> Checkpoint:
    """The checkpoint that all conversions of the history are proven to be under.

    Args:
        history: what `history` of a client gave.
        log_keys: verifier keys of the log (``appliance oversight verify`` prints them), of one origin.

    Raises:
        HistoryUnproven: the checkpoint is not signed by one of the keys, is not the one that the answer names, or a
            conversion is not what its record says, or its record is not in the tree. Names the record.
    """
    signed = _signed(history.checkpoint, _keys(log_keys), "checkpoint")
    if (signed.checkpoint.size, signed.checkpoint.root) != (history.size, history.root):
        raise HistoryUnproven("size and root of the answer are not the checkpoint's")
    _require_order(history)
    for conversion in history.conversions:
        _require_logged(conversion)
        _require_under(signed.checkpoint, conversion, conversion.proof, "log")
    return signed.checkpoint


def verify_cosigned(
    history: History, log_keys: Iterable[VerifierKey | str], witness_keys: Iterable[VerifierKey | str]
) -> Cosigned:
    """Which conversions of the history are in a tree that witnesses co-signed, besides what `verify_history` proves.

    The co-signed tree must be the log's own, signed by its key as well. A conversion that is newer than it is in no
    ``records``; every other must be proven. How old a cosignature may be, the caller decides by ``at``.

    Args:
        history: what `history` of a client gave.
        log_keys: as for `verify_history`.
        witness_keys: verifier keys of witnesses, from the oversight body. One of them must have co-signed; every
            signature in the name of any of them must be right.

    Raises:
        HistoryUnproven: nothing is co-signed, or not by one of these keys; the co-signed tree is not this log's; a
            conversion that it should have is not proven to be in it; or as for `verify_history`.
        VerifierKeyInvalid: one of the keys is none, or no witness's.
    """
    keys, witnesses = _keys(log_keys), [_witness(key) for key in witness_keys]
    newest, cosigned = verify_history(history, keys), history.cosigned
    if cosigned is None:
        raise HistoryUnproven("no witness has co-signed this log yet", "the oversight body's witness is to look at it")
    signed = _signed(cosigned.checkpoint, keys, "co-signed checkpoint")
    tree = signed.checkpoint
    if (tree.size, tree.root) != (cosigned.size, cosigned.root):
        raise HistoryUnproven("size and root of the co-signed tree are not its checkpoint's")
    if tree.size == newest.size and tree.root != newest.root:
        raise HistoryUnproven(
            f"the log signed two trees of {tree.size} records", "keep the answer: it proves that the log was forked"
        )
    times = _times(signed, witnesses)
    inside = [one for one in history.conversions if one.record <= tree.size or one.cosigned_proof is not None]
    for one in inside:
        if one.cosigned_proof is None:
            raise HistoryUnproven(f"record {one.record}: co-signed by its number, and comes without a proof of it")
        _require_under(tree, one, one.cosigned_proof, "co-signed log")
    return Cosigned(tree, tuple(times), tuple(times.values()), frozenset(one.record for one in inside))


def _keys(given: Iterable[VerifierKey | str]) -> list[VerifierKey]:
    keys = [key if isinstance(key, VerifierKey) else VerifierKey.parse(key) for key in given]
    if len({key.name for key in keys}) != 1:
        raise HistoryUnproven("a history is proven by the keys of one log", "give the verifier keys of that log")
    return keys


def _witness(key: VerifierKey | str) -> VerifierKey:
    return cosignatures.cosigner(str(key))


def _signed(note: str, keys: Sequence[VerifierKey], what: str) -> Signed:
    """The checkpoint in a note that one of the log's keys signed."""
    try:
        return checkpoints.verify(note.encode("utf-8", "surrogatepass"), keys, keys[0].name)
    except TlogError as error:
        raise HistoryUnproven(f"the {what} is refused: {error.message}") from None


def _times(signed: Signed, witnesses: Sequence[VerifierKey]) -> dict[str, int]:
    """By name of a witness that co-signed, when it did last."""
    try:
        found = cosignatures.verified(signed.note, signed.checkpoint, witnesses)
    except TlogError as error:
        raise HistoryUnproven(f"a cosignature is refused: {error.message}") from None
    if not found:
        raise HistoryUnproven(
            "none of the witnesses that are known here has co-signed this log", "give the witnesses' verifier keys"
        )
    return {one.name: one.time for one in sorted(found, key=lambda one: one.time)}


def _require_order(history: History) -> None:
    records = [conversion.record for conversion in history.conversions]
    if any(later <= earlier for later, earlier in pairwise(records)):
        raise HistoryUnproven("the conversions are not in order, the newest first, each once")


def _require_logged(conversion: PastConversion) -> None:
    """What the answer says of it is what its record says."""
    try:
        logged = msgspec.json.decode(conversion.entry)
    except NOT_JSON:
        logged = None
    if not isinstance(logged, dict) or logged.get("kind") != "conversion":
        raise HistoryUnproven(f"record {conversion.record}: its entry is no record of a conversion")
    for name in _FIELDS:
        if logged.get(name) != getattr(conversion, name):
            raise HistoryUnproven(f"record {conversion.record}: the log has another {name} than the answer")


def _require_under(tree: Checkpoint, conversion: PastConversion, proof: Sequence[bytes], what: str) -> None:
    leaf = merkle.leaf_hash(conversion.entry)
    try:
        merkle.verify_inclusion(leaf, conversion.record - 1, tree.size, proof, tree.root)
    except TlogError as error:
        raise HistoryUnproven(f"record {conversion.record}: not in the {what}: {error.message}") from None
