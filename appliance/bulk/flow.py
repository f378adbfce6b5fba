"""The job's loop: read a segment, have it answered, write it, make it durable, write the checkpoint.

Segments are answered side by side and written in order. A segment is in the checkpoint when all of it is on the disk,
so a kill at any point leaves whole segments; what was on its way is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from appliance.bulk import counting
from appliance.bulk.folder import Checkpoint, JobFolder
from appliance.bulk.inorder import in_order
from appliance.bulk.lines import Mask
from appliance.bulk.segment import Outcome, Segment, Work
from appliance.bulk.tables.table import Position, Rejects, Sink, Source
from appliance.progress import Show


@dataclass(frozen=True)
class Flow:
    """What the loop works with. ``go_on`` raises when the job is to stop; ``sink`` is None for a census."""

    folder: JobFolder
    source: Source
    sink: Sink | None
    rejects: Rejects | None
    work: Work
    generations: tuple[str, ...]
    segment: int
    connections: int
    go_on: Callable[[], None]

    def run(self, checkpoint: Checkpoint, show: Show) -> Checkpoint:
        """Everything from the checkpoint to the end of the input; the last checkpoint.

        Raises:
            JobStopped, DaemonRefuses, DaemonAway, RoundTripFailed, NotWritten, TableError: the checkpoint holds.
        """
        if checkpoint.read:
            return checkpoint
        began = time.monotonic() - checkpoint.seconds
        self._show(checkpoint, show)
        batches = self.source.batches(checkpoint.source, self.segment)
        for segment in in_order(self.work, batches, self.connections, self.go_on):
            checkpoint = self._taken(segment, checkpoint, time.monotonic() - began)
            self._show(checkpoint, show)
        return self._committed(checkpoint, checkpoint.source, time.monotonic() - began, read=True)

    def _taken(self, segment: Segment, checkpoint: Checkpoint, seconds: float) -> Checkpoint:
        """Write a segment; it counts from the new checkpoint on."""
        named = counting.words(self.generations)
        if self.sink is not None:
            self.sink.write(segment.batch, segment.answers, segment.keep)
        if self.rejects is not None:
            mask = self._listed(segment)
            if mask.any():
                self.rejects.write(segment.batch, mask, counting.reasons(segment, mask, named))
        counted = Checkpoint(
            segments=checkpoint.segments + 1,
            rows=checkpoint.rows + segment.batch.count,
            counts=counting.added(checkpoint.counts, segment, named),
        )
        return self._committed(counted, segment.batch.end, seconds, read=False)

    def _listed(self, segment: Segment) -> Mask:
        """Rows for the rejects file: of a census, those that are not of the newest generation."""
        return ~segment.keep if self.sink is not None else segment.outcome != Outcome.FIRST_GENERATION

    def _committed(self, counted: Checkpoint, source: Position | None, seconds: float, *, read: bool) -> Checkpoint:
        whole = Checkpoint(
            segments=counted.segments,
            rows=counted.rows,
            counts=counted.counts,
            source=source,
            sink=None if self.sink is None else self.sink.sync(),
            rejects=None if self.rejects is None else self.rejects.sync(),
            seconds=round(seconds, 3),
            read=read,
        )
        self.folder.commit(whole)
        return whole

    def _show(self, checkpoint: Checkpoint, show: Show) -> None:
        """Rows done, of about so many: as many as there are if the rest is like what was read."""
        if checkpoint.source is None:
            return
        done = self.source.done(checkpoint.source)
        show(checkpoint.rows, round(checkpoint.rows * self.source.size_units / done) if done else checkpoint.rows)
