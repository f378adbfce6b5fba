"""Large runs are made in a process of their own (`appliance.audit.tagindex.worker`); here is the daemon's side of it.

Sorting half a million tags, or merging millions, would hold the interpreter and a processor for milliseconds at a time,
in which whoever waits for an answer waits longer. The process is started when it is first needed, and again when it
has died; a chunk comes to it as a copy in memory (memfd_create(2)), made by the thread that asks.
"""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from appliance import ownprocess
from appliance.audit.tagindex.chunk import Chunk, give_back
from appliance.audit.tagindex.making import Merge
from appliance.audit.tagindex.runs import Run, RunDamaged
from appliance.audit.tagindex.worker import (
    LONGEST,
    BeginMerge,
    Damaged,
    Done,
    EndMerge,
    Failed,
    Job,
    Said,
    Step,
    WriteChunk,
)
from appliance.errors import KagimoriError

END_SECONDS = 5.0


class MakerFailed(KagimoriError):
    """The process could not do it, or is gone."""


class Apart:
    """A `appliance.audit.tagindex.making.Maker` that has a process of its own do it. For one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    def write(self, chunk: Chunk) -> Run:
        """See `Maker`."""
        descriptors = chunk.lend()
        try:
            done = self._done(self.ask(WriteChunk(chunk.first, chunk.next - 1, chunk.tags), *descriptors), ())
        finally:
            for descriptor in descriptors:
                give_back(descriptor)
        if done.run is None:
            raise MakerFailed("the process that makes runs made none")
        return self._open(done.run)

    def merge(self, parts: Sequence[Run], first: int) -> Merge:
        """See `Maker`."""
        self._done(self.ask(BeginMerge([run.path.name for run in parts], first)), parts)
        return _Merge(self, parts)

    def step(self, parts: Sequence[Run]) -> Run | None:
        """Go on with the merge of ``parts``."""
        done = self._done(self.ask(Step()), parts)
        return None if done.run is None else self._open(done.run)

    def end_merge(self) -> None:
        """Give the merge up; with a process that died it is gone already."""
        if self._connection is not None:
            with suppress(MakerFailed):
                self.ask(EndMerge())

    def ask(self, job: Job, *descriptors: int) -> Said:
        """Have something done, and wait for it.

        Raises:
            MakerFailed: the process is gone.
            OSError: it cannot be started.
        """
        connection = self._connection or self._start()
        try:
            socket.send_fds(connection, [msgspec.json.encode(job)], descriptors)
            answer = connection.recv(LONGEST)
        except ConnectionError:
            answer = b""
        if not answer:
            raise MakerFailed(f"the process that makes runs {self._ended()}")
        said: Said = msgspec.json.decode(answer, type=Said)
        return said

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._ended()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fd = str(theirs.fileno())
        command = ownprocess.command("appliance.audit.tagindex", "--folder", str(self._folder.absolute()), "--fd", fd)
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 -- this program's own interpreter
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=ownprocess.environment(),
                )
            except BaseException:
                ours.close()
                raise
        self._connection = ours
        return ours

    def _ended(self) -> str:
        """Close the connection and wait for the end; how it ended, in a few words."""
        connection, process = self._connection, self._process
        self._connection = self._process = None
        if connection is None or process is None:
            return "is gone"
        connection.close()
        try:
            code = process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        return f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def _open(self, name: str) -> Run:
        """What was just made; that it is damaged says nothing of any run that is in use."""
        try:
            return Run.open(self._folder / name)
        except RunDamaged as damaged:
            raise MakerFailed(f"{name} is not what was just written: {damaged}") from None

    def _done(self, said: Said, parts: Sequence[Run]) -> Done:
        match said:
            case Failed():
                raise MakerFailed(said.reason)
            case Damaged():
                raise RunDamaged(said.reason, next((run for run in parts if run.path.name == said.run), None))
            case Done():
                return said


class _Merge:
    """A merge in the other process."""

    def __init__(self, apart: Apart, parts: Sequence[Run]) -> None:
        self._apart = apart
        self._parts = parts

    def step(self) -> Run | None:
        """See `Merge`."""
        return self._apart.step(self._parts)

    def end(self) -> None:
        """See `Merge`."""
        self._apart.end_merge()
