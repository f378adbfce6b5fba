"""Work side by side, results in order."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from appliance.bulk.inorder import in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_items_order(threads: int) -> None:
    def work(item: int) -> int:
        time.sleep(random.random() / 500)
        return item * item

    assert list(in_order(work, range(60), threads)) == [item * item for item in range(60)]
    assert list(in_order(work, [], threads)) == []


def test_only_so_many_items_are_drawn() -> None:
    """Three under way or waiting with two threads, whatever is not taken."""
    drawn = []

    def items() -> Iterator[int]:
        for item in range(50):
            drawn.append(item)
            yield item

    results = in_order(lambda item: item, items(), 2)
    for taken in range(10):
        assert next(results) == taken
        assert len(drawn) <= taken + 3
    results.close()


def test_so_many_are_worked_on_at_once() -> None:
    both = threading.Barrier(2, timeout=10)
    assert list(in_order(lambda item: both.wait() >= 0, range(4), 2)) == [True] * 4


def test_an_error_comes_in_its_turn_and_ends_it() -> None:
    done = []

    def work(item: int) -> int:
        if item == 3:
            raise ValueError("the third")
        done.append(item)
        return item

    got = []
    with pytest.raises(ValueError, match="the third"):
        for result in in_order(work, range(100), 2):
            got.append(result)
    assert got == [0, 1, 2]
    assert max(done) < 10


def test_a_timeout_of_the_work_is_an_error_like_any_other() -> None:
    def work(item: int) -> int:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        list(in_order(work, [1], 1))


def test_it_can_be_told_to_stop_while_it_waits() -> None:
    held = threading.Event()
    asked = []

    def go_on() -> None:
        asked.append(1)
        if len(asked) > 2:
            raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        list(in_order(lambda item: held.wait(20), range(3), 2, go_on))
    held.set()
