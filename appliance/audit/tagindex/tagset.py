"""What can be looked up at this moment: the runs, the chunks that wait to be written, the chunk that is being filled.

Three parties meet here under one lock, each for microseconds: the log's writer adds, anybody takes a snapshot to look
something up in, and the keeper (`appliance.audit.tagindex.keeper`) puts runs in the place of chunks and of older
runs. No file is touched here.

Records are taken in order and without a gap. The chunks that wait are at most `MOST_WAITING`, so memory is bounded;
when one more would be needed, the record is not taken, and none after it: the index is *behind*, until the keeper has
read what it lacks from the log. Nothing is looked up meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from appliance.audit.tagindex.chunk import CHUNK_TAGS, Chunk, View
from appliance.audit.tagindex.entries import MOST_RECORDS, TAG_BYTES
from appliance.audit.tagindex.runs import Run, RunDamaged
from appliance.errors import KagimoriError

MOST_WAITING = 3


class IndexBehind(KagimoriError):
    """The index lacks records that the log has; an answer might be incomplete, so there is none."""


class TagSet:
    """``changed`` is notified about all that a keeper or a flush waits for; hold it to read more than one attribute.

    ``runs``: from the oldest to the newest. ``first``: the oldest record wanted. ``seen``: the newest record that the
    log is known to have, unless all are in. ``trouble``: why writing or reading fails now. ``failures``: how often it
    did. ``ended``: nobody writes any more.
    """

    def __init__(self, runs: Sequence[Run], *, first: int, seen: int, chunk_tags: int = CHUNK_TAGS) -> None:
        self._lock = threading.Lock()
        self.changed = threading.Condition(self._lock)
        self.runs = tuple(runs)
        self.first = first
        self.seen = seen
        self.trouble: str | None = None
        self.failures = 0
        self.ended = False
        self._chunk_tags = chunk_tags
        self._needless: list[Run] = []
        self._waiting: tuple[Chunk, ...] = ()
        self._filling = Chunk(self.written + 1, chunk_tags)

    @property
    def indexed(self) -> int:
        """The newest record whose tags, and those of all before it, are in."""
        return self._filling.next - 1

    @property
    def written(self) -> int:
        """The newest record that is in a run, so that a crash does not take it out again."""
        return self.runs[-1].last if self.runs else self.first - 1

    @property
    def tags(self) -> int:
        """How many tags are in."""
        with self.changed:
            return sum(run.tags for run in self.runs) + sum(chunk.tags for chunk in (*self._waiting, self._filling))

    @property
    def waiting(self) -> Chunk | None:
        """The chunk to be written next."""
        return self._waiting[0] if self._waiting else None

    @property
    def needless(self) -> bool:
        """Whether there are runs whose files are to be removed."""
        return bool(self._needless)

    @property
    def behind(self) -> bool:
        """Whether records are missing that the log has."""
        return self.indexed < self.seen

    def add(self, record: int, tags: bytes) -> None:
        """Take a record's tags if it is the next one and there is room; else only know that it is there.

        Raises:
            ValueError: not a multiple of 16 bytes.
        """
        with self._lock:
            if record == self._filling.next and record < MOST_RECORDS and self._take(tags):
                return
            self.seen = max(self.seen, record)
            if self.behind:
                self.changed.notify_all()

    def _take(self, tags: bytes) -> bool:
        return self._filling.add(tags) or (self.close_chunk(len(tags) // TAG_BYTES) and self._filling.add(tags))

    def close_chunk(self, room: int = 0) -> bool:
        """Let the chunk wait to be written and begin another; False if too many wait. Hold ``changed``."""
        if len(self._waiting) >= MOST_WAITING:
            return False
        if self._filling.records:
            self._waiting += (self._filling,)
        self._filling = Chunk(self._filling.next, max(self._chunk_tags, room))
        self.changed.notify_all()
        return True

    def flush(self, seconds: float | None) -> None:
        """Wait until all that is in now has been written; at most so long (None: as long as it takes).

        Raises:
            IndexBehind: it cannot be written now, or not in time.
        """
        with self.changed:
            target, failures = self.indexed, self.failures

            def decided() -> bool:
                if self._filling.first <= target:
                    self.close_chunk()  # as soon as there is room
                return self.written >= target or self.failures > failures or self.ended

            self.changed.wait_for(decided, seconds)
            if self.written < target:
                raise self.lacking(self.written)

    def end(self) -> None:
        """Let the keeper stop."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def snapshot(self) -> list[View | Run]:
        """All that is in, from the newest to the oldest.

        Raises:
            IndexBehind: something is missing.
        """
        with self.changed:
            if self.behind:
                raise self.lacking()
            return [self._filling.now(), *(chunk.now() for chunk in self._waiting[::-1]), *self.runs[::-1]]

    def lacking(self, known: int | None = None) -> IndexBehind:
        """The error that says what is missing after ``known`` (None: what is in). Hold ``changed``."""
        begin = (self.indexed if known is None else known) + 1
        because = "" if self.trouble is None else f": {self.trouble}"
        return IndexBehind(
            f"the index of subject tags lacks records {begin} to {max(self.seen, self.indexed)}{because}",
            "it reads them from the log by itself; ask again in a while",
        )

    def wrote(self, chunk: Chunk, run: Run) -> None:
        """A chunk is a run now."""
        with self.changed:
            if self.waiting is not chunk:  # given up meanwhile
                self._needless.append(run)
                return
            self._waiting = self._waiting[1:]
            self.runs += (run,)
            self._without_expired()
            self._well()

    def merged(self, parts: Sequence[Run], run: Run) -> None:
        """Runs are one run now."""
        with self.changed:
            at = self._place(parts)
            if at is None:  # given up meanwhile
                self._needless.append(run)
                return
            self._needless += parts
            self.runs = (*self.runs[:at], run, *self.runs[at + len(parts) :])
            self._without_expired()
            self._well()

    def give_up(self, damaged: RunDamaged) -> IndexBehind:
        """A run is not to be trusted: it and all that is newer go, and the keeper makes them anew. What to raise."""
        with self.changed:
            run = damaged.run
            if run is not None and run in self.runs:
                at = self.runs.index(run)
                self._needless += self.runs[at:]
                self.runs = self.runs[:at]
                self._begin_again(max(run.first, self.first))
                self._failed(f"{run.path.name}: {damaged}")
            return self.lacking()

    def prune(self, first: int) -> None:
        """Records before ``first`` are never given any more."""
        with self.changed:
            self.first = max(self.first, first)
            if self._filling.next < self.first:  # far behind: what is missing is gone
                self._begin_again(self.first)
            self._without_expired()
            self.changed.notify_all()

    def take_needless(self) -> list[Run]:
        """The runs that are in no use any more since the last time, oldest first: their files are to be removed."""
        with self.changed:
            needless, self._needless = self._needless, []
            return needless

    def failed(self, trouble: str) -> None:
        """Something did not work, and will be tried again."""
        with self.changed:
            self._failed(trouble)

    def well(self) -> None:
        """It works again."""
        with self.changed:
            self._well()

    def _failed(self, trouble: str) -> None:
        self.trouble = trouble
        self.failures += 1
        self.changed.notify_all()

    def _well(self) -> None:
        self.trouble = None
        self.changed.notify_all()

    def _begin_again(self, first: int) -> None:
        self.seen = max(self.seen, self.indexed)
        self._waiting = ()
        self._filling = Chunk(first, self._chunk_tags)

    def _without_expired(self) -> None:
        expired = [run for run in self.runs if run.last < self.first]
        self.runs = self.runs[len(expired) :]
        self._needless += expired

    def _place(self, parts: Sequence[Run]) -> int | None:
        if parts[0] not in self.runs:
            return None
        at = self.runs.index(parts[0])
        return at if self.runs[at : at + len(parts)] == tuple(parts) else None
