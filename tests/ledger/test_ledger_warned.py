"""Warnings count as refusals for the thread that reads a certificate, and for no other."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.ledger import warned


def test_what_the_block_warns_of_is_raised_at_its_end() -> None:
    before = warnings.showwarning, list(warnings.filters)
    reached = []
    with pytest.raises(DeprecationWarning, match="a serial number of 0"), warned.refused():
        warnings.warn("a serial number of 0", DeprecationWarning, stacklevel=1)
        reached.append("the end")
    assert reached == ["the end"]
    assert (warnings.showwarning, list(warnings.filters)) == before


def test_nothing_is_raised_where_nothing_is_warned_of() -> None:
    with warned.refused(), warned.refused():
        pass


def test_another_threads_warning_is_its_own() -> None:
    shown: list[str] = []
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait(10)
        warnings.warn("of another thread", UserWarning, stacklevel=1)  # must not be raised here
        done.set()

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *rest: shown.append(str(message))
        thread = threading.Thread(target=other)
        thread.start()
        with warned.refused():
            inside.set()
            assert done.wait(10), "it ended in an exception"
        thread.join()
    assert shown == ["of another thread"]


def test_however_many_read_at_once_each_has_its_own_verdict() -> None:
    def read(number: int) -> bool:
        try:
            with warned.refused():
                if number % 3 == 0:
                    warnings.warn(f"number {number}", UserWarning, stacklevel=1)
        except UserWarning as error:
            assert str(error) == f"number {number}"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(read, range(3_000)))
    assert verdicts == [number % 3 != 0 for number in range(3_000)]
