"""One look of the witness at the log: verify, remember, and only then sign.

Seen before and now must be one history: the ledger goes on from the one seen, the checkpoint is signed by a key of
that ledger, and its tree begins with the tree seen before. Two heads that disagree are never both signed: the second
one raises an alarm instead, which stands until a person removes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from appliance.ledger import rollback
from appliance.ledger.rollback import Seen
from appliance.ledger.states import READABLE
from appliance.numbers.domains import Generation
from appliance.oversight import trust as trusts
from appliance.oversight.authentic import AuthenticTree
from appliance.oversight.errors import (
    CheckpointRefused,
    ClockBehind,
    LogForked,
    LogShrunk,
    WitnessAlarmed,
    WitnessStateUnusable,
)
from appliance.oversight.source import Source
from appliance.oversight.trust import Trust
from appliance.oversight.witness import growth
from appliance.oversight.witness.keys import WitnessKeys
from appliance.oversight.witness.state import Head, WitnessState
from appliance.progress import Show, silent
from appliance.tlog import merkle
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint, Signed
from appliance.tlog.errors import ConsistencyInvalid
from appliance.tlog.note import Note


@dataclass(frozen=True)
class Cosigned:
    """What a look ended in. ``note``: the checkpoint with the log's signature and the witness's, as it is handed in.

    ``before``: the size seen before; ``read``: records that the witness read; ``time``: the one stated, POSIX seconds.
    """

    checkpoint: Checkpoint
    note: bytes
    before: int
    read: int
    time: int
    rehearsal: bool


class Witness:
    """A witness with its keys and its memory.

    Args:
        keys: what signs.
        state: the state folder, locked by the caller.
        anchor: the pinned trust anchor of the ledger.
        entries: whether it reads the records that are new to it.
        begin: whether there may be no memory yet.
        now: the clock, seconds since 1970.
    """

    def __init__(
        self,
        keys: WitnessKeys,
        state: WitnessState,
        anchor: str,
        *,
        entries: bool = True,
        begin: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._state = state
        self._anchor = anchor
        self._entries = entries
        self._begin = begin
        self._now = now

    def look(self, source: Source, show: Show = silent) -> Cosigned:
        """Look at the log once, and cosign its newest checkpoint.

        Raises:
            WitnessAlarmed: (LogShrunk, LogForked) an alarm stands, or was raised just now.
            LedgerError: the ledger is refused, or is behind the one seen.
            OversightError, TlogError: anything else that is not as it must be; nothing was signed.
        """
        self._state.require_calm()
        seen = self._remembered()
        offered = source.checkpoint()
        trust = trusts.of(source.ledger(), self._anchor)
        signed = self._verified(offered, trust, seen)
        self._require_not_smaller(signed.checkpoint, seen, offered)
        known, read = (seen.size, seen.read) if seen else (0, 0)
        unread = self._entries and read < signed.checkpoint.size
        tree = AuthenticTree(source.tile, signed.checkpoint) if unread or signed.checkpoint.size > known else None
        self._require_extends(signed.checkpoint, seen, offered, tree)
        done = read_records(tree, read, show) if unread and tree is not None else 0
        moment = self._moment(seen)
        self._state.write(self._head(signed, trust, read + done, moment, offered))
        self._begin = False
        lines = self._keys.cosign(signed.checkpoint, moment)
        own = tuple(line for line in signed.note.signatures if line.claims(signed.key))
        note = notes.render(Note(signed.note.text, (*own, *lines)))
        return Cosigned(signed.checkpoint, note, known, done, moment, trust.state.rehearsal)

    def _remembered(self) -> Head | None:
        seen = self._state.read()
        if seen is None and not self._begin:
            raise WitnessStateUnusable(
                f"{self._state.folder}: this witness remembers no head",
                "check the folder; only a witness that never cosigned this log begins with --begin",
            )
        if seen is not None and self._begin:
            raise WitnessStateUnusable(
                f"{self._state.folder}: this witness has begun already", "leave --begin out from now on"
            )
        if seen is not None and seen.anchor != self._anchor:
            raise WitnessStateUnusable(
                f"{self._state.folder}: what is remembered is of the trust anchor {seen.anchor}",
                "use a state folder of its own for each log",
            )
        return seen

    def _verified(self, offered: bytes, trust: Trust, seen: Head | None) -> Signed:
        """The checkpoint is the log's word, under a ledger that goes on from the one seen."""
        rollback.require_not_behind(Seen(sequence=seen.sequence, head=seen.ledger) if seen else None, trust.entries)
        signed = trusts.verify(offered, trust, seen.origin if seen else None)
        _require_key_in_use(signed, trust, seen)
        return signed

    def _require_not_smaller(self, checkpoint: Checkpoint, seen: Head | None, offered: bytes) -> None:
        if seen is not None and checkpoint.size < seen.size:
            raise self._alarm(LogShrunk(f"the log shrank: {_both(seen, checkpoint)}"), seen, offered)

    def _require_extends(
        self, checkpoint: Checkpoint, seen: Head | None, offered: bytes, tree: AuthenticTree | None
    ) -> None:
        """The tree begins with the one seen before (RFC 9162 section 2.1.4.2), or an alarm is raised.

        The tiles of ``tree`` are proven already, so a proof made of them that fails proves a fork.
        """
        if seen is None:
            return
        proof = merkle.consistency_proof(seen.size, checkpoint.size, tree.subtree if tree else _no_tiles)
        root = bytes.fromhex(seen.root)
        try:
            merkle.verify_consistency(seen.size, root, checkpoint.size, checkpoint.root, proof)
        except ConsistencyInvalid:
            raise self._alarm(LogForked(f"the log was forked: {_both(seen, checkpoint)}"), seen, offered) from None

    def _alarm(self, error: WitnessAlarmed, seen: Head, offered: bytes) -> WitnessAlarmed:
        return self._state.alarm(error, {"seen.note": seen.note.encode("utf-8"), "offered.note": offered})

    def _moment(self, seen: Head | None) -> int:
        """The time to state. A larger tree with an earlier time would contradict the cosignature before."""
        moment = int(self._now())
        if seen is not None and moment < seen.time:
            raise ClockBehind(
                f"the clock says {moment}; the last cosignature was made at {seen.time}, {seen.time - moment} s later",
                "set this machine's clock right; nothing was signed",
            )
        return moment

    def _head(self, signed: Signed, trust: Trust, read: int, moment: int, offered: bytes) -> Head:
        checkpoint = signed.checkpoint
        return Head(
            anchor=self._anchor,
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            note=offered.decode("utf-8"),
            key=str(trust.keys(checkpoint.origin)[signed.key]),
            read=read,
            sequence=trust.state.sequence,
            ledger=trust.state.head,
            time=moment,
        )


def _require_key_in_use(signed: Signed, trust: Trust, seen: Head | None) -> None:
    """The newest head is signed by a key that may still sign, and not by an older one than the head before."""
    origin = signed.checkpoint.origin
    made = trust.keys(origin)[signed.key]
    state = trust.state_of(origin, made)
    if state not in READABLE:
        raise CheckpointRefused(
            f"the newest checkpoint is signed by {made}, which is {state}", "the log must go on under a key in use"
        )
    if seen is not None and made.number < Generation.parse(seen.key).number:
        raise CheckpointRefused(
            f"the newest checkpoint is signed by {made}; one signed by the newer {seen.key} has been seen",
            "an old checkpoint was handed in, or the old key was used again",
        )


def read_records(tree: AuthenticTree, before: int, show: Show) -> int:
    """Read every record behind the first ``before``; how many were there to be read."""
    whole, done = tree.checkpoint.size - before, 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        show(min(done, whole), whole)

    growth.read(tree, before + 1, advance)
    return whole


def _no_tiles(height: int, index: int) -> bytes:
    raise AssertionError("between equal sizes nothing needs proving")


def _both(seen: Head, checkpoint: Checkpoint) -> str:
    return (
        f"seen before: size {seen.size}, root {seen.root}; "
        f"offered now: size {checkpoint.size}, root {checkpoint.root.hex()}"
    )
