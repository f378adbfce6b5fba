"""Records into columns, piece by piece, in processes of their own where there are more than one piece."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from typing import TypeVar

from appliance.matching import columns
from appliance.matching.columns import Columns, Record
from appliance.matching.errors import MatchingStopped

R = TypeVar("R")
PIECE = 20_000  # records; as few as these are read in this process
_AHEAD = 2  # pieces under way for each process: none waits, and the register is not read into memory


class Reader:
    """Reads records of one run; made by `reader`."""

    def __init__(self, pool: ProcessPoolExecutor | None, processes: int) -> None:
        self._pool, self._most = pool, processes * _AHEAD
        self._key = columns.new_key()

    def pieces(self, rows: Iterable[R], record: Callable[[R], Record]) -> Iterator[tuple[list[R], Columns]]:
        """The rows in their order, a list with its columns at a time.

        Raises:
            MatchingStopped: a process ended. Whatever ``rows`` raises.
        """
        pieces = _pieces(rows)
        first = next(pieces, [])
        if self._pool is None or len(first) < PIECE:
            for piece in chain([first], pieces):
                yield piece, columns.read(map(record, piece), self._key)
            return
        try:
            yield from self._elsewhere(self._pool, chain([first], pieces), record)
        except BrokenProcessPool:
            raise MatchingStopped from None

    def _elsewhere(
        self, pool: ProcessPoolExecutor, pieces: Iterable[list[R]], record: Callable[[R], Record]
    ) -> Iterator[tuple[list[R], Columns]]:
        under_way: deque[tuple[list[R], Future[Columns]]] = deque()
        for piece in pieces:
            under_way.append((piece, pool.submit(columns.read, [record(row) for row in piece], self._key)))
            if len(under_way) > self._most:
                done, future = under_way.popleft()
                yield done, future.result()
        for done, future in under_way:
            yield done, future.result()


@contextmanager
def reader(processes: int | None) -> Iterator[Reader]:
    """A reader with so many processes besides this one; None: as many as there are cores, 1: none.

    Raises:
        ValueError: fewer than one.
    """
    wanted = len(os.sched_getaffinity(0)) if processes is None else processes
    if wanted < 1:
        raise ValueError("at least one process")
    if wanted == 1:
        yield Reader(None, 1)
        return
    pool = ProcessPoolExecutor(wanted, multiprocessing.get_context("spawn"), _leave_interrupts)
    try:
        yield Reader(pool, wanted)
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that asked: it ends these."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _pieces(rows: Iterable[R]) -> Iterator[list[R]]:
    iterator = iter(rows)
    while piece := list(islice(iterator, PIECE)):
        yield piece
