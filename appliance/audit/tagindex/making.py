"""How runs come to be: one of a chunk, one of several others a step at a time.

`Here` does it where it is called. `appliance.audit.tagindex.apart` has a process of its own do it, with the same words.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Protocol

from appliance.audit.tagindex.background import pause
from appliance.audit.tagindex.chunk import Chunk
from appliance.audit.tagindex.merging import Part, merging
from appliance.audit.tagindex.runs import Run, Span
from appliance.errors import KagimoriError

STEP_ENTRIES = 1 << 19  # as many as a chunk has


class Merge(Protocol):
    """A merge that has begun."""

    def step(self) -> Run | None:
        """Go on a little; the new run once it is whole and on the disk.

        Raises:
            RunDamaged: a part is not what was written.
            OSError, KagimoriError: it does not work now; nothing is left of it.
        """

    def end(self) -> None:
        """Give it up; nothing is left of it."""


class Maker(Protocol):
    """Makes runs in the index's folder."""

    def write(self, chunk: Chunk) -> Run:
        """A chunk's tags as a run, on the disk.

        Raises:
            OSError, KagimoriError: it does not work now; nothing is left of it.
        """

    def merge(self, parts: Sequence[Run], first: int) -> Merge:
        """Begin to make one run of neighbours; entries of records before ``first`` are left out."""


class Here:
    """A `Maker`, in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, chunk: Chunk) -> Run:
        """See `Maker`."""
        return write_run(self._folder, Span(chunk.first, chunk.next - 1), chunk.parts())

    def merge(self, parts: Sequence[Run], first: int) -> Merge:
        """See `Maker`."""
        return _Merge(merging(self._folder, Span(parts[0].first, parts[-1].last), parts, first))


class _Merge:
    def __init__(self, steps: Generator[int, None, Run]) -> None:
        self._steps = steps

    def step(self) -> Run | None:
        done = 0
        while done < STEP_ENTRIES:
            try:
                done += next(self._steps)
            except StopIteration as end:
                run: Run = end.value
                return run
            pause()
        return None

    def end(self) -> None:
        self._steps.close()


def write_run(folder: Path, span: Span, parts: Sequence[Part]) -> Run:
    """A run of the records of ``span``, whose entries are ``parts``.

    Raises:
        OSError: the system refuses; nothing is left.
    """
    merge = _Merge(merging(folder, span, parts, span.first))
    while (run := merge.step()) is None:
        pass
    return run


def reason_of(error: Exception) -> str:
    """Why something did not work, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return error.message if isinstance(error, KagimoriError) else f"{type(error).__name__}: {error}"
