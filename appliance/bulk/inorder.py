"""Work on several items at once, in threads, handed out in the items' order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_Task = tuple["Future[R]", T] | None

LOOK = 0.2  # seconds between two looks at whether to go on


def in_order(
    work: Callable[[T], R], items: Iterable[T], threads: int, go_on: Callable[[], None] = lambda: None
) -> Iterator[R]:
    """``work(item)`` for every item, in order; ``threads`` of them under way, one more waiting for a thread.

    Items are drawn as results are taken, so ``threads + 1`` results and items are held at most, besides the one in use.
    ``go_on`` is called while waiting and may raise. The threads never keep a process from ending.

    Raises:
        Exception: whatever ``work`` or ``go_on`` raised; nothing after that item is given.
    """
    tasks: SimpleQueue[_Task[R, T]] = SimpleQueue()
    under_way: deque[Future[R]] = deque()
    for number in range(threads):
        threading.Thread(target=_serve, args=(work, tasks), name=f"segment-{number}", daemon=True).start()
    try:
        for item in items:
            under_way.append(Future())
            tasks.put((under_way[-1], item))
            if len(under_way) > threads:
                yield _result(under_way.popleft(), go_on)
        while under_way:
            yield _result(under_way.popleft(), go_on)
    finally:
        for future in under_way:
            future.cancel()
        for _ in range(threads):
            tasks.put(None)


def _result(future: Future[R], go_on: Callable[[], None]) -> R:
    while True:
        go_on()
        try:
            return future.result(LOOK)
        except TimeoutError:
            if future.done():  # the work's own
                raise


def _serve(work: Callable[[T], R], tasks: SimpleQueue[_Task[R, T]]) -> None:
    while (task := tasks.get()) is not None:
        future, item = task
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(work(item))
        except BaseException as error:
            future.set_exception(error)
        del task, future, item  # a waiting thread must not hold a whole segment
