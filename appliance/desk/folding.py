"""Counting a log as it grows: each record once, proven under the newest checkpoint before it is counted.

Statistics are changed while they are folded, and shown meanwhile, so there are two of them: one is shown, the other one
catches up with both growths and is shown next. A record is so counted twice, and nothing is ever read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy

from appliance.audit import records
from appliance.audit.records import NotARecord, Record
from appliance.oversight.authentic import AuthenticTree, place_of
from appliance.oversight.copy import Copy
from appliance.oversight.errors import LogForked, LogShrunk, PieceMissing
from appliance.oversight.report.checks import Check, Faults
from appliance.oversight.report.make import disclosing
from appliance.oversight.report.moments import Clock
from appliance.oversight.report.statistics import Statistics
from appliance.oversight.trust import Trust
from appliance.progress import Show, silent
from appliance.tlog import merkle
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import ConsistencyInvalid
from appliance.tlog.tiles import ENTRIES, TILE_WIDTH, Tile, tile_of


class Fold:
    """The sums over the first ``size`` records of one log. ``missing``: how many of them were not in the copy."""

    def __init__(self, clock: Clock, disclosed: frozenset[str]) -> None:
        self.disclosed = disclosed
        own = Clock(clock.zone, clock.name)  # it remembers a minute, and pages ask theirs in another thread
        self.statistics = Statistics(own, disclosed)
        self.size = 0
        self.missing = 0
        self._last_missing = 0
        self._may_miss = 0
        self._under: Checkpoint | None = None
        self._unreadable, self._strange = Faults(), Faults()

    def advance(self, copy: Copy, trust: Trust, checkpoint: Checkpoint, show: Show = silent) -> AuthenticTree:
        """Go on to a checkpoint whose signature was verified; its tree.

        Raises:
            LogShrunk, LogForked: it does not go on from the checkpoint before.
            PieceMissing, PieceWrong: the copy's pieces are not those of the checkpoint. What was proven until then
                stays counted, and the next call goes on from there.
        """
        tree = AuthenticTree(copy.tile, checkpoint)
        self._require_growth(tree)
        self._under = checkpoint
        heads = {entry.sequence: entry.head for entry in trust.entries}
        while self.size < checkpoint.size:
            for record in self._bundle(copy, tree):
                self._take(record, heads)
            show(self.size, checkpoint.size)
        return tree

    def _require_growth(self, tree: AuthenticTree) -> None:
        before, now = self._under, tree.checkpoint
        if before is None:
            return
        told = f"size {before.size}, root {before.root.hex()}, and size {now.size}, root {now.root.hex()}"
        if now.size < before.size:
            raise LogShrunk(f"the log shrank: {told}")
        proof = merkle.consistency_proof(before.size, now.size, tree.subtree)
        try:
            merkle.verify_consistency(before.size, before.root, now.size, now.root, proof)
        except ConsistencyInvalid:
            raise LogForked(f"the log was forked: {told}") from None

    def _bundle(self, copy: Copy, tree: AuthenticTree) -> Iterator[Record]:
        """The records of the bundle in which the count stands that are not counted yet."""
        index, counted = divmod(self.size, TILE_WIDTH)
        tile = tile_of(ENTRIES, index, tree.checkpoint.size)
        try:
            data = copy.tile(tile)
        except PieceMissing:
            self.missing += tile.width - counted
            self.size = self._last_missing = index * TILE_WIDTH + tile.width
            return
        entries = tree.prove(tile, data)
        for place in range(counted, tile.width):
            self.size += 1
            record = self._record(entries[place], tile, place)
            if record is not None:
                yield record

    def _record(self, entry: bytes, tile: Tile, place: int) -> Record | None:
        try:
            record = records.decode(entry)
        except NotARecord as error:
            self._unreadable.add(f"{place_of(tile, place)}: no record: {error}")
            return None
        if record.record != self.size:
            self._unreadable.add(f"{place_of(tile, place)}: says it is record {record.record}")
            return None
        return record

    def _take(self, record: Record, heads: Mapping[int, str]) -> None:
        if isinstance(record, records.LedgerLoaded | records.Ceremony):
            if heads.get(record.sequence) != record.head:
                self._strange.add(f"record {record.record}: entry {record.sequence}, head {record.head[:16]}")
        elif isinstance(record, records.Pruned):
            self._may_miss = max(self._may_miss, record.first - 1)
        try:
            self.statistics.take(record)
        except ValueError as error:
            self._unreadable.add(f"record {record.record}: {error}")

    def checks(self) -> Iterator[Check]:
        """What came of reading, as `appliance.oversight.report.evidence` tells it."""
        lost = self._last_missing > self._may_miss
        places = (f"records up to {self._last_missing}: no `pruned` record says why they are missing",) if lost else ()
        counts = {"proven": self.size - self.missing, "size": self.size, "pruned": self.missing}
        name = "records_pruned" if self.missing else "records"
        yield Check(name, "bad" if lost else "good", counts, places)
        if self._unreadable.count:
            yield Check("unreadable", "bad", {"count": self._unreadable.count}, tuple(self._unreadable.places))
        yield Check("heads", self._strange.judgement, {}, tuple(self._strange.places))


class Folds:
    """The two of them. Whoever reads what is shown must have done so before the next `advance` begins."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shown: Fold | None = None
        self._spare: Fold | None = None

    def advance(
        self, copy: Copy, trust: Trust, checkpoint: Checkpoint, show: Show = silent
    ) -> tuple[Fold, AuthenticTree]:
        """The fold up to a checkpoint, to be handed to `show` when everything else about it is well; and its tree.

        A ledger by which other domains disclose a person means that everything is counted anew.

        Raises:
            LogShrunk, LogForked, PieceMissing, PieceWrong: as `Fold.advance`; what is shown stays as it is.
        """
        disclosed = frozenset(disclosing(trust.state))
        if self._spare is None or self._spare.disclosed != disclosed:
            self._spare = Fold(self._clock, disclosed)
        return self._spare, self._spare.advance(copy, trust, checkpoint, show)

    def show(self) -> None:
        """The one that was advanced is shown from now on; the other one catches up next."""
        shown, before = self._spare, self._shown
        if shown is not None:
            self._shown = shown
            usable = before is not None and before.disclosed == shown.disclosed
            self._spare = before if usable else deepcopy(shown)
