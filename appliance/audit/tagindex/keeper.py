"""The thread that keeps the index on the disk: chunks become runs, runs are merged, what is missing is read again.

One thing at a time, the most urgent first: a chunk that waits; records that are missing; a step of a merge (so that a
merge of gigabytes does not keep a chunk waiting). Whatever fails is said in ``trouble`` and tried again: chunks stay in
memory and can be looked up meanwhile. What is small is done in this thread, which gives way to those who answer
(`background`), what is large in a process of its own (`apart`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from appliance.audit.tagindex import background
from appliance.audit.tagindex.apart import Apart
from appliance.audit.tagindex.chunk import Chunk
from appliance.audit.tagindex.making import Here, Maker, Merge, reason_of
from appliance.audit.tagindex.merging import Shape, choose
from appliance.audit.tagindex.runs import Run, RunDamaged
from appliance.audit.tagindex.tagset import TagSet

STEPS = 2  # of a merge, as large as a chunk each, before the next chunk: a tag is merged about twice in its life
RETRY_SECONDS = 1.0
MERGE_AGAIN_SECONDS = 60.0  # it may have filled the disk before it failed


class TagLog(Protocol):
    """What the index asks of the log."""

    @property
    def first(self) -> int:
        """Number of the oldest record that is still there."""

    @property
    def size(self) -> int:
        """How many records there are or were; also the number of the newest."""

    def read(self, first: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Number, entry and tags of each record from ``first`` on, in order."""


class Keeper:
    """Works from `start` to `stop`."""

    def __init__(self, folder: Path, tags: TagSet, log: TagLog, shape: Shape) -> None:
        self._here, self._apart = Here(folder), Apart(folder)
        self._tags = tags
        self._log = log
        self._shape = shape
        self._merge: Merge | None = None
        self._parts: tuple[Run, ...] = ()
        self._merge_after = 0.0
        self._thread = threading.Thread(target=self._run, name="tags", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End, and wait for it at most so long; a merge that is not finished is begun anew the next time."""
        self._tags.end()
        self._thread.join(seconds)

    def _run(self) -> None:
        background.give_way()
        while self._wait():
            try:
                self._step()
            except RunDamaged as error:
                self._end_merge()
                self._tags.give_up(error)
            except Exception as error:  # a dead keeper would let the index fall behind for ever
                self._end_merge()
                self._tags.failed(reason_of(error))
                self._pause()
        self._end_merge()
        self._apart.close()

    def _wait(self) -> bool:
        """Until there is something to do (True) or it is time to stop (False)."""
        with self._tags.changed:
            self._tags.changed.wait_for(lambda: self._tags.ended or self._has_work())
            return not self._tags.ended

    def _has_work(self) -> bool:
        tags = self._tags
        return bool(tags.needless or tags.waiting or tags.behind or self._merge or self._to_merge())

    def _pause(self) -> None:
        with self._tags.changed:
            self._tags.changed.wait_for(lambda: self._tags.ended, RETRY_SECONDS)

    def _step(self) -> None:
        self._remove_needless()  # first of all: a new run may get the name of one that was given up
        if (chunk := self._tags.waiting) is not None:
            self._write(chunk)
        elif self._tags.behind:
            self._read_again()
            return
        self._merge_on()  # after every chunk as well, or runs would grow in number while chunks keep coming

    def _remove_needless(self) -> None:
        for run in self._tags.take_needless():
            run.remove()

    def _maker(self, tags: int) -> Maker:
        """Who makes a run of so many."""
        return self._apart if tags >= self._shape.apart else self._here

    def _write(self, chunk: Chunk) -> None:
        self._tags.wrote(chunk, self._maker(chunk.tags).write(chunk))

    def _read_again(self) -> None:
        """Take the records that are missing from the log, until a chunk is full."""
        self._tags.prune(self._log.first)
        for record, _, tags in self._log.read(self._tags.indexed + 1):
            self._tags.add(record, tags)
            if self._tags.waiting is not None or self._tags.ended:
                return
            if not self._tags.behind:
                self._tags.well()
                return
        if self._tags.behind:
            raise EOFError(f"the log gives no record {self._tags.indexed + 1}")

    def _merge_on(self) -> None:
        """Begin a merge, or do some steps of it."""
        for _ in range(STEPS):
            if self._merge is None:
                self._parts = self._to_merge()
                if not self._parts:
                    return
                maker = self._maker(sum(run.tags for run in self._parts))
                self._merge = maker.merge(self._parts, self._tags.first)
            if (run := self._merge.step()) is not None:
                self._merge = None
                self._tags.merged(self._parts, run)

    def _to_merge(self) -> tuple[Run, ...]:
        runs = self._tags.runs
        part = choose([run.tags for run in runs], self._shape)
        return () if part is None or time.monotonic() < self._merge_after else runs[part]

    def _end_merge(self) -> None:
        if self._merge is not None:
            self._merge.end()
            self._merge = None
            self._merge_after = time.monotonic() + MERGE_AGAIN_SECONDS
