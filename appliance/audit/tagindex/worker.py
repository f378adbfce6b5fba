"""The process that makes large runs, so that the daemon's own threads need not wait for it: one job after another.

It does what `appliance.audit.tagindex.apart` asks over their socket, a message of JSON each way; a chunk's memory comes
along as a descriptor. It knows no log and no key, opens nothing outside the index's folder, and ends when the daemon
does.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec
import numpy as np

from appliance.audit.tagindex.chunk import keys_of, mapped, parts_of
from appliance.audit.tagindex.making import Here, Merge, reason_of, write_run
from appliance.audit.tagindex.runs import Run, RunDamaged, Span

LONGEST = 1 << 16  # bytes of a message


class WriteChunk(msgspec.Struct, tag="write", forbid_unknown_fields=True):
    """A run of records ``first`` to ``last`` with so many tags; with descriptors: of the tags, of where they end."""

    first: int
    last: int
    tags: int


class BeginMerge(msgspec.Struct, tag="merge", forbid_unknown_fields=True):
    """Begin to merge these runs (names in the folder); entries before record ``first`` are left out."""

    parts: list[str]
    first: int


class Step(msgspec.Struct, tag="step", forbid_unknown_fields=True):
    """Go on with the merge a little."""


class EndMerge(msgspec.Struct, tag="end", forbid_unknown_fields=True):
    """Give the merge up."""


Job = WriteChunk | BeginMerge | Step | EndMerge


class Done(msgspec.Struct, tag="done", forbid_unknown_fields=True):
    """It is done; ``run``: the name of the run that there is now."""

    run: str | None = None


class Damaged(msgspec.Struct, tag="damaged", forbid_unknown_fields=True):
    """A part of the merge is not what was written: which one, and what is wrong with it."""

    run: str | None
    reason: str


class Failed(msgspec.Struct, tag="failed", forbid_unknown_fields=True):
    """It does not work now; why, in a few words."""

    reason: str


Said = Done | Damaged | Failed


class Worker:
    """Does jobs in ``folder``. For one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._merge: Merge | None = None

    def serve(self, connection: socket.socket) -> None:
        """Until the daemon closes its end."""
        decode, encode = msgspec.json.Decoder(Job).decode, msgspec.json.Encoder().encode
        while True:
            message, descriptors, _, _ = socket.recv_fds(connection, LONGEST, 2)
            try:
                if not message:
                    return
                connection.send(encode(self.answer(decode(message), descriptors)))
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def answer(self, job: Job, descriptors: list[int]) -> Said:
        """Do a job; what became of it. Whatever goes wrong, a merge that had begun is given up."""
        try:
            run = self._do(job, descriptors)
        except _PartDamaged as damaged:
            said: Said = Damaged(damaged.name, str(damaged))
        except RunDamaged as damaged:
            said = Damaged(damaged.run.path.name if damaged.run else None, str(damaged))
        except Exception as error:
            said = Failed(reason_of(error))
        else:
            return Done(None if run is None else run.path.name)
        self._end()
        return said

    def _do(self, job: Job, descriptors: list[int]) -> Run | None:
        match job:
            case WriteChunk():
                return self._write(job, *descriptors)
            case BeginMerge():
                self._end()
                self._merge = Here(self._folder).merge([self._open(name) for name in job.parts], job.first)
            case Step() if self._merge is not None:
                return self._merge.step()
            case EndMerge():
                self._end()
            case _:
                raise ValueError("no merge has begun")
        return None

    def _write(self, job: WriteChunk, tags: int, ends: int) -> Run:
        span = Span(job.first, job.last)
        keys = keys_of(mapped(tags), job.tags)
        each = mapped(ends).view(np.uint32)[: job.last - job.first + 1]
        return write_run(self._folder, span, parts_of(job.first, keys, each))

    def _open(self, name: str) -> Run:
        path = self._folder / name
        if Span.of(path) is None or path.parent != self._folder:
            raise ValueError("not the name of a run")
        try:
            return Run.open(path)
        except RunDamaged as damaged:
            raise _PartDamaged(name, str(damaged)) from None

    def _end(self) -> None:
        merge, self._merge = self._merge, None
        if merge is not None:
            merge.end()


class _PartDamaged(Exception):
    """A run cannot even be opened."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name
