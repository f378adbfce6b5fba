"""What the oversight body's witnesses co-signed, and whether it is fresh enough for the ledger's policy.

A cosignature is taken in only if it is by a witness key of the policy, over a checkpoint that this log really had.
How old the co-signing is, is the age of the oldest among the newest cosignatures of all witness keys; a log that was
never co-signed is as old as its first record. Past the policy's thresholds the daemon warns, then refuses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from appliance.audit.log import AuditLog
from appliance.daemon import log
from appliance.daemon.problems import Problem
from appliance.errors import KagimoriError
from appliance.ledger import servicekeys, witnesses
from appliance.ledger.policy import LogRules
from appliance.ledger.state import LedgerState
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import cosignature as cosignatures
from appliance.tlog import note as notes
from appliance.tlog.errors import TlogError
from appliance.tlog.note import Note, Signature, VerifierKey

FUTURE_SECONDS = 60


class CosignedHead(NamedTuple):
    """The newest head that witnesses co-signed: the ``note`` as it is stored, and what it is about."""

    note: bytes
    size: int
    root: bytes


class Witnesses:
    """``state``: gives that of the ledger in force; ``began``: when the log's first record was written (POSIX).

    ``size``: of the newest head that was co-signed. ``cosigned``: the newest that is stored, which the log signed as
    well; None: there is none.
    """

    def __init__(self, audit: AuditLog, origin: str, state: Callable[[], LedgerState], began: int) -> None:
        self._audit = audit
        self._origin = origin
        self._state = state
        self._began = began
        self._times: dict[tuple[str, bytes], int] = {}
        self._warned = False
        self.size = 0
        self.cosigned: CosignedHead | None = None

    def load(self) -> None:
        """Take in what was co-signed before the start; what no longer verifies does not count."""
        if self._audit.cosigned is None:
            return
        try:
            self._show(self._take(self._audit.cosigned)[0])
        except (Problem, KagimoriError) as error:
            why = error.detail if isinstance(error, Problem) else error.message
            log.warning("the stored cosignatures do not count", reason=why)

    def accept(self, body: bytes) -> tuple[int, list[str]]:
        """Take in cosignatures and store them; the checkpoint's size and the names of those that signed.

        Raises:
            Problem: malformed_request, saying what is wrong with it.
        """
        note, size, names = self._take(body)
        if not self._own(note):
            raise Problem("malformed_request", "cosignatures: the checkpoint lacks this log's own signature.")
        stored = None if self._audit.cosigned is None else notes.parse(self._audit.cosigned)
        if stored is None or size >= checkpoints.parse_text(stored.text).size:
            merged = _merged(stored, note)
            self._audit.store_cosigned(notes.render(merged))
            self._show(merged)
        return size, names

    def _show(self, stored: Note) -> None:
        """Have what is stored now, or was before the start, given along with histories."""
        if self._own(stored):  # else nobody could hold it against the log
            head = checkpoints.parse_text(stored.text)
            self.cosigned = CosignedHead(notes.render(stored), head.size, head.root)

    def _take(self, body: bytes) -> tuple[Note, int, list[str]]:
        try:
            note = notes.parse(body)
            checkpoint = checkpoints.parse_text(note.text)
            self._require_ours(checkpoint)
            found = [
                (key, cosignatures.verify(checkpoint, signature, key))
                for key in self._keys()
                for signature in note.signatures
                if signature.claims(key)
            ]
        except KagimoriError as error:
            raise Problem("malformed_request", f"cosignatures: {error.message}") from None
        if not found:
            raise Problem("malformed_request", "cosignatures: none is by a witness that the ledger's policy names.")
        for key, cosignature in found:
            if cosignature.time > time.time() + FUTURE_SECONDS:
                raise Problem("malformed_request", f"cosignatures: that of {key.name} is dated in the future.")
        for key, cosignature in found:
            known = self._times.get((key.name, key.key_id), 0)
            self._times[key.name, key.key_id] = max(known, cosignature.time)
        self.size = max(self.size, checkpoint.size)
        kept = [one for one in note.signatures if any(one.claims(key) for key, _ in found)]
        names = sorted({key.name for key, _ in found})
        return Note(note.text, tuple(dict.fromkeys((*self._own(note), *kept)))), checkpoint.size, names

    def _require_ours(self, checkpoint: checkpoints.Checkpoint) -> None:
        if checkpoint.origin != self._origin:
            raise Problem("malformed_request", f"cosignatures: the checkpoint is of another log ({checkpoint.origin}).")
        if checkpoint.size > self._audit.size or self._audit.root(checkpoint.size) != checkpoint.root:
            raise Problem(
                "malformed_request",
                f"cosignatures: this log never had the checkpoint of {checkpoint.size} records with that root hash.",
            )

    def _own(self, note: Note) -> tuple[Signature, ...]:
        """The log's own signature that is on it, if it is by one of the ledger's log keys.

        A note without it is not taken in: it would be served as the newest checkpoint, and nobody could verify it.
        """
        known = servicekeys.log_keys(self._state(), self._origin.rpartition("/")[2]).values()
        keys = [checkpoints.key(self._origin, raw) for raw in known]
        try:
            signer = notes.verify(note, keys)
        except TlogError:
            return ()
        return tuple(one for one in note.signatures if one.claims(signer))[:1]

    @property
    def _rules(self) -> LogRules:
        return self._state().policy.log

    def _keys(self) -> tuple[VerifierKey, ...]:
        return _parsed(self._rules.witnesses)

    @property
    def times(self) -> Mapping[str, int]:
        """By witness key (name and key ID), when it last co-signed (POSIX seconds)."""
        return {f"{name}+{key_id.hex()}": at for (name, key_id), at in self._times.items()}

    def age(self) -> int | None:
        """Seconds since every witness of the policy had co-signed; None: the policy names none."""
        keys = self._keys()
        if not keys:
            return None
        oldest = min(self._times.get((key.name, key.key_id), self._began) for key in keys)
        return max(0, int(time.time()) - oldest)

    def require_fresh(self) -> None:
        """Raises Problem cosignature_overdue when the policy demands fresher cosignatures; warns before that."""
        rules = self._rules
        age = self.age()
        if age is None or rules.warn_seconds is None:
            return
        self._warn(age, rules.warn_seconds)
        if rules.refuse_seconds is not None and age > rules.refuse_seconds:
            raise Problem("cosignature_overdue")

    def _warn(self, age: int, limit: int) -> None:
        overdue = age > limit
        if overdue and not self._warned:
            log.warning("the oversight body has not co-signed the log for long", seconds=age, warn_seconds=limit)
        elif self._warned and not overdue:
            log.info("the oversight body co-signs again")
        self._warned = overdue


_parsed = lru_cache(maxsize=4)(witnesses.keys)


def _merged(stored: Note | None, note: Note) -> Note:
    """Cosignatures of several witnesses over one checkpoint, the newest of each."""
    if stored is None or stored.text != note.text:
        return note
    signatures: dict[tuple[str, bytes], Signature] = {}
    for one in (*stored.signatures, *note.signatures):
        signatures[one.name, one.key_id] = one
    return Note(note.text, tuple(signatures.values()))
