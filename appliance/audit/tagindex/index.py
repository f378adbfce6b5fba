"""Which records may be about one person? The index of subject tags: all of it comes from the log, none of it is truth.

The log stores each record's tags; to find a person's records by reading it would take minutes. The index gives
candidates in milliseconds. It may be removed at any time: what it lacks it reads from the log, by itself, in the
background. Its promise is that it never misses a tag of a record that it claims to have, and that it never answers
while it lacks a record that the log has (`IndexBehind`): a history is complete or refused.

Nothing here makes an answer wait or fail. `TagIndex.add` copies bytes, and a thread of its own writes them
(`appliance.audit.tagindex.keeper`). When the disk refuses, ``trouble`` says so, chunks stay in memory and are looked up
there, and only when there is no room for more the index is behind.

Not shown: that nobody changed the files on purpose. Their sums are against accidents; proofs come from the log.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from appliance.audit.errors import AuditUnusable
from appliance.audit.tagindex.chunk import CHUNK_TAGS, View
from appliance.audit.tagindex.entries import MOST_RECORDS, Window, clip, key
from appliance.audit.tagindex.folder import load
from appliance.audit.tagindex.keeper import Keeper, TagLog
from appliance.audit.tagindex.merging import Shape
from appliance.audit.tagindex.runs import Run, RunDamaged
from appliance.audit.tagindex.tagset import IndexBehind, TagSet

__all__ = ["IndexBehind", "TagIndex", "TagLog"]

SHAPE = Shape(chunk=CHUNK_TAGS, fan=16)


class TagIndex:
    """One thread adds (the log's writer); any thread looks up. Close it to lose nothing that was added.

    ``rebuilt_reason``: why files that were there were not used (None: they all were).
    """

    def __init__(self, tags: TagSet, keeper: Keeper, rebuilt_reason: str | None) -> None:
        self.rebuilt_reason = rebuilt_reason
        self._tags = tags
        self._keeper = keeper

    @classmethod
    def open(cls, directory: Path, log: TagLog, *, shape: Shape = SHAPE) -> TagIndex:
        """Open the index in ``directory`` (made if it is not there), and begin to read what it lacks from ``log``.

        Raises:
            AuditUnusable: the system does not let the directory be used.
        """
        size = log.size
        try:
            runs, rebuilt_reason = load(directory, first=log.first, size=size)
        except OSError as error:
            raise AuditUnusable(
                f"index of subject tags {directory}: {error.strerror}",
                "the directory must be the daemon's own; it may be removed as a whole, it is made anew from the log",
            ) from None
        tags = TagSet(runs, first=log.first, seen=size, chunk_tags=shape.chunk)
        keeper = Keeper(directory, tags, log, shape)
        keeper.start()
        return cls(tags, keeper, rebuilt_reason)

    @property
    def indexed(self) -> int:
        """Number of the newest record that is in, with all before it."""
        return self._tags.indexed

    @property
    def tags(self) -> int:
        """How many tags are in (expired ones leave with their file)."""
        return self._tags.tags

    @property
    def trouble(self) -> str | None:
        """Why the index cannot be written or made anew now; None: nothing is wrong."""
        return self._tags.trouble

    def add(self, record: int, tags: bytes) -> None:
        """Take the tags of one record, 16 bytes each (or none): every record, in order, once it is durable.

        A record that is in already is passed over; one that does not follow is read from the log later.

        Raises:
            ValueError: not a multiple of 16 bytes.
        """
        self._tags.add(record, tags)

    def find(self, tags: Sequence[bytes], *, before: int | None = None, limit: int = 100) -> list[int]:
        """The newest ``limit`` records that may have one of the tags, newest first; fewer than that: there are no more.

        Args:
            tags: 16 bytes each.
            before: only records with smaller numbers; None: all.
            limit: how many at most.

        Raises:
            IndexBehind: it lacks records that the log has.
            ValueError: a tag has not 16 bytes.
        """
        keys = {key(tag) for tag in tags}
        end = MOST_RECORDS if before is None else min(before, MOST_RECORDS)
        window = Window(self._tags.first, end)
        found: list[int] = []
        for part in self._tags.snapshot():
            if len(found) >= limit:
                break
            if keys and part.first < window.before:
                found += self._look(part, keys, window, limit)
        return found[:limit]

    def _look(self, part: View | Run, keys: set[int], window: Window, limit: int) -> list[int]:
        try:
            found = np.concatenate([part.find(wanted, window, limit) for wanted in keys])
        except RunDamaged as error:
            raise self._tags.give_up(error) from None
        newest_first: list[int] = clip(found, window, limit)[::-1].tolist()
        return newest_first

    def flush(self, seconds: float | None = None) -> None:
        """Write all that is in now, and wait until it is on the disk; at most so long (None: as long as it takes).

        Raises:
            IndexBehind: it cannot be written now (``trouble`` says why), or not in time.
        """
        self._tags.flush(seconds)

    def prune(self, first: int) -> None:
        """Records before ``first`` are gone from the log: they are never given again, and leave the disk by and by."""
        self._tags.prune(first)

    def close(self, seconds: float = 10.0) -> None:
        """Write what can be written within that time, and end. What was not written is read from the log next time."""
        with contextlib.suppress(IndexBehind):
            self._tags.flush(seconds)
        self._keeper.stop(seconds)
